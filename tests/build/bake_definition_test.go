package build

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestBakePrint: --print prints the same as docker buildx bake --print for the same files: functions,
// matrices, inheritance, typed variables, override files, null attributes, compose files, --set and
// all fields of a target. If BUILDX is set to the path of a buildx v0.38.2 binary, the expected
// output is regenerated with it.
func TestBakePrint(t *testing.T) {
	s := newBakeStore(t)
	dirs, err := filepath.Glob("bake/*")
	if err != nil || len(dirs) == 0 {
		t.Fatalf("there is no case: %v", err)
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			golden := filepath.Join(dir, "print.json")
			args := append([]string{"--print"}, optionalLines(t, filepath.Join(dir, "args"))...)
			environment := append(os.Environ(), optionalLines(t, filepath.Join(dir, "env"))...)
			if buildx := os.Getenv("BUILDX"); buildx != "" {
				cmd := exec.Command(buildx, append([]string{"bake"}, args...)...)
				cmd.Dir, cmd.Env, cmd.Stderr = dir, environment, os.Stderr
				text, err := cmd.Output()
				if err = errors.Join(err, os.WriteFile(golden, text, 0o644)); err != nil {
					t.Fatal(err)
				}
			}
			cmd := s.bakeCommand(dir, args...)
			cmd.Env = environment
			got, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v: %s", err, err.(*exec.ExitError).Stderr)
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if g, w := printed(t, got), printed(t, want); g != w {
				t.Errorf("printed is\n%s\nwant\n%s", g, w)
			}
		})
	}
}

// printed returns the output of --print with the members of groups sorted: for a matrix with several
// axes their order differs from run to run, in buildx too.
func printed(t *testing.T, text []byte) string {
	t.Helper()
	var p struct {
		Group map[string]struct {
			Targets []string `json:"targets"`
		} `json:"group"`
		Target map[string]any `json:"target"`
	}
	err := json.Unmarshal(text, &p)
	for _, g := range p.Group {
		slices.Sort(g.Targets)
	}
	out, failed := json.MarshalIndent(p, "", "  ")
	if err = errors.Join(err, failed); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return string(out)
}

// optionalLines returns the lines of a file, or none if the file does not exist.
func optionalLines(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

// TestBakeJSONAndCompose: the other two languages, with files that are found by their default names.
func TestBakeJSONAndCompose(t *testing.T) {
	s := newBakeStore(t)
	dir := bakeDir(t, "docker-bake.json", `{
  "variable": {"V": {"default": "json"}},
  "target": {
    "default": {"context": "src", "contexts": {"below": "target:below", "extra": "more"}, "args": {"V": "${V}"}, "tags": ["of-json"]},
    "below": {"dockerfile": "Base", "context": "src"}
  }
}`)
	s.bake(dir)
	if got := s.content("of-json", "/greeting", "/v"); got != "default\njson" {
		t.Errorf("of-json has %q", got)
	}
	dir = bakeDir(t, "compose.yaml", `
services:
  below:
    build:
      context: src
      dockerfile: Base
      args: {GREETING: "${WORD:-hello}"}
  web:
    image: of-compose
    build:
      context: src
      additional_contexts: {below: "service:below", extra: ./more}
      args: {V: compose}
      shm_size: 10m
      x-bake: {tags: [of-compose:1, of-compose:2]}
`)
	cmd := s.bakeCommand(dir, "web")
	cmd.Env = append(os.Environ(), "WORD=bonjour")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	for _, name := range []string{"of-compose:1", "of-compose:2"} {
		if got := s.content(name, "/greeting", "/v"); got != "bonjour default\ncompose" {
			t.Errorf("%s has %q", name, got)
		}
	}
	stdout, _ := s.bake(dir, "--list", "type=targets,format=json")
	var listed []struct {
		Name  string
		Group bool
	}
	if err := json.Unmarshal([]byte(stdout), &listed); err != nil || len(listed) != 3 || !listed[1].Group || listed[2].Name != "web" {
		t.Errorf("listed are %s: %v", stdout, err)
	}
}

// TestBakeRejectsOptionsWithoutEffect: options that have no effect here, and access that the user has
// not allowed, are rejected.
func TestBakeRejectsOptionsWithoutEffect(t *testing.T) {
	s := newBakeStore(t)
	dir := bakeDir(t, "docker-bake.hcl", `
variable "PORT" {
  default = 80
  validation {
    condition     = PORT < 100
    error_message = "PORT must be below 100."
  }
}
target "default" { dockerfile-inline = "FROM base\n" }
target "policy" { policy = [{ filename = "x.rego" }] }
target "outside" { context = ".." }
target "network" {
  dockerfile-inline = "FROM base\n"
  network           = "host"
}
target "insecure" {
  dockerfile-inline = "FROM base\n"
  entitlements      = ["security.insecure"]
}
target "archive" {
  dockerfile-inline = "FROM base\n"
  output            = ["type=tar"]
}
target "archive2" { inherits = ["archive"] }
target "loop" { contexts = { a = "target:loop2" } }
target "loop2" { contexts = { a = "target:loop" } }
target "context" { context = "target:default" }
target "stdin" { context = "-" }
`)
	for _, c := range []struct {
		args     string
		messages []string
	}{
		{"policy", []string{"target policy: policy: "}},
		{"outside", []string{"Read access to path ..", "--allow=fs.read=.."}},
		{"outside --allow fs.read=more", []string{"--allow=fs.read=.."}},
		{"network", []string{"--allow=network.host"}},
		{"insecure", []string{"--allow=security.insecure"}},
		{"archive archive2", []string{"targets archive, archive2: only one archive"}},
		{"loop", []string{"infinite loop"}},
		{"context", []string{"target context: context: target:default"}},
		{"stdin", []string{"stdin"}},
		{"nothing", []string{"failed to find target nothing"}},
		{"--var PORT=200", []string{"PORT must be below 100.", ">>> "}},
		{"--set default.nothing=1", []string{"unknown key: nothing"}},
		{"--call nothing", []string{"call: nothing: must be build, check, outline or targets"}},
		{"--jobs defer-output", []string{"--jobs defer-output"}},
		{"--builder other", []string{"--builder other"}},
		{"--policy x", []string{"--policy x"}},
		{"--nothing", []string{"unknown flag: --nothing", "hint: minirun build bake --help"}},
		{"--list nothing", []string{"--list nothing"}},
		{"--progress tty archive default", []string{"--progress tty"}},
		{"-f missing.hcl", []string{"missing.hcl"}},
		{"https://example.com/repository.git", []string{"remote bake files are not supported"}},
	} {
		s.rejected(dir, c.messages, strings.Fields(c.args)...)
	}
	s.rejected(t.TempDir(), []string{"this directory has no bake file", "./bake"})
	s.bake(dir, "network", "--allow", "network.host")
}
