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
	"syscall"
	"testing"
	"time"

	"github.com/minirun/minirun/tests/testbundle"
)

// newBakeStore is newStore with minirun-bake.
func newBakeStore(t testing.TB) *store {
	t.Helper()
	testbundle.NeedBake(t)
	return newStore(t)
}

// bakeCommand runs minirun build bake in a directory.
func (s *store) bakeCommand(dir string, args ...string) *exec.Cmd {
	cmd := s.Command(append([]string{"build", "bake"}, args...)...)
	cmd.Dir = dir
	return cmd
}

// bake runs minirun build bake, which must succeed, and returns its standard output and standard
// error.
func (s *store) bake(dir string, args ...string) (stdout, stderr string) {
	s.t.Helper()
	stdout, stderr, err := s.tryBake(dir, args...)
	if err != nil {
		s.t.Fatalf("minirun build bake %s: %v: %s%s", strings.Join(args, " "), err, stdout, stderr)
	}
	return stdout, stderr
}

func (s *store) tryBake(dir string, args ...string) (stdout, stderr string, err error) {
	cmd := s.bakeCommand(dir, args...)
	var out, messages strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &messages
	err = cmd.Run()
	return out.String(), messages.String(), err
}

// rejected runs minirun build bake and expects it to fail with these messages.
func (s *store) rejected(dir string, messages []string, args ...string) {
	s.t.Helper()
	stdout, stderr, err := s.tryBake(dir, args...)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		s.t.Errorf("minirun build bake %s: %v, want status 1: %s%s", strings.Join(args, " "), err, stdout, stderr)
	}
	for _, m := range messages {
		if !strings.Contains(stderr, m) {
			s.t.Errorf("minirun build bake %s: does not say %q: %s", strings.Join(args, " "), m, stderr)
		}
	}
}

// content returns the contents of files in an image.
func (s *store) content(image string, files ...string) string {
	s.t.Helper()
	return s.do(append([]string{"run", "--rm", image, "cat"}, files...)...)
}

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

const bakeHCL = `
variable "TAG" { default = "latest" }
function "shout" {
  params = [text]
  result = "${upper(text)}!"
}
group "default" { targets = ["app", "files", "lone"] }
target "_common" {
  context = "src"
  args    = { GREETING = shout("hello"), UNSET = null }
}
target "common" {
  inherits   = ["_common"]
  dockerfile = "Base"
  tags       = ["never"]
}
target "app" {
  name     = "app-${v}"
  matrix   = { v = ["one", "two"] }
  inherits = ["_common"]
  contexts = { below = "target:common", extra = "more" }
  args     = { V = v }
  labels   = { version = v }
  tags     = ["app-${v}:${TAG}"]
}
target "files" {
  dockerfile-inline = "FROM scratch\nCOPY f /\n"
  context           = "more"
  output            = ["out"]
}
target "lone" {
  dockerfile-inline = "FROM below\nCOPY --from=below /greeting /copy\n"
  contexts          = { below = "target:app-one" }
  output            = ["type=oci,dest=lone.tar"]
}
`

func bakeDir(t *testing.T, name, definition string) string {
	t.Helper()
	return contextDir(t, map[string]string{
		name:             definition,
		"src/Base":       "FROM base\nARG GREETING\nARG UNSET=default\nRUN echo $GREETING $UNSET >/greeting\n",
		"src/Dockerfile": "FROM below\nARG V\nRUN echo $V >/v\nCOPY --from=extra f /\n",
		"more/f":         "more\n",
	}, "")
}

// TestBakeHCL: each target is a build. A target that another one needs is built first and passed to
// it without a name; a target that has an output and is also needed by another is delivered to both.
func TestBakeHCL(t *testing.T) {
	s := newBakeStore(t)
	dir := bakeDir(t, "docker-bake.hcl", bakeHCL)
	_, stderr := s.bake(dir, "--metadata-file", "metadata.json", "--var", "TAG=1")
	for _, v := range []string{"one", "two"} {
		if got := s.content("app-"+v+":1", "/greeting", "/v", "/f"); got != "HELLO! default\n"+v+"\nmore" {
			t.Errorf("app-%s has %q", v, got)
		}
	}
	if got, err := os.ReadFile(filepath.Join(dir, "out/f")); err != nil || string(got) != "more\n" {
		t.Errorf("out/f is %q: %v", got, err)
	}
	if strings.Contains(s.do("images"), "never") {
		t.Error("a target that is only needed by others has a name in the store")
	}
	for _, step := range []string{"[app-one internal] load build definition", "[common 2/2] RUN echo", "[files] exporting to local"} {
		if !strings.Contains(stderr, step) {
			t.Errorf("no step is called %q: %s", step, stderr)
		}
	}
	var metadata map[string]map[string]any
	read(t, filepath.Join(dir, "metadata.json"), &metadata)
	r := openResult(t, filepath.Join(dir, "lone.tar"))
	for target, want := range map[string]any{"common": nil, "files": nil, "lone": r.top.Digest.String()} {
		m, ok := metadata[target]
		if got := m["containerimage.digest"]; !ok || got != want {
			t.Errorf("the metadata of %s has the digest %v, want %v: %v", target, got, want, m)
		}
	}
	if got := metadata["app-two"]["image.name"]; got != "docker.io/library/app-two:1" {
		t.Errorf("the metadata of app-two has the name %v", got)
	}
	// Images named by digest do not come from a registry, so --pull does not request them.
	s.rejected(dir, []string{"src/Base:1", "FROM base"}, "app-one", "--pull")
	s.bake(dir, "lone", "--set", "lone.pull=true", "--progress", "quiet")
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

// TestBakePlatforms: a target that is needed for several platforms is built for all of them.
func TestBakePlatforms(t *testing.T) {
	s := newBakeStore(t)
	dir := bakeDir(t, "docker-bake.hcl", `
target "default" {
  contexts          = { below = "target:below" }
  dockerfile-inline = "FROM below\nCOPY more/f /g\n"
  platforms         = ["linux/amd64", "linux/arm64"]
  output            = ["type=oci,dest=out.tar"]
}
target "below" { dockerfile-inline = "FROM scratch\nCOPY more/f /f\n" }
`)
	s.bake(dir)
	r := openResult(t, filepath.Join(dir, "out.tar"))
	for _, p := range []string{"linux/amd64", "linux/arm64"} {
		if m := r.manifest(p); len(m.Layers) != 2 {
			t.Errorf("%s has %d layers", p, len(m.Layers))
		}
	}
}

// TestBakeRejects: options that have no effect here, and access that the user has not allowed, are
// rejected.
func TestBakeRejects(t *testing.T) {
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

// TestBakeFailure: after a failure no more builds are started, unless --jobs allows it, and a target
// that needs a failed target is never built.
func TestBakeFailure(t *testing.T) {
	s := newBakeStore(t)
	dir := bakeDir(t, "docker-bake.hcl", `
group "default" { targets = ["bad", "slow", "needs", "good"] }
target "bad" { dockerfile-inline = "FROM base\nRUN sleep 1; exit 7\n" }
target "slow" { dockerfile-inline = "FROM base\nRUN sleep 50\n" }
target "needs" {
  dockerfile-inline = "FROM below\n"
  contexts          = { below = "target:bad" }
}
target "good" {
  dockerfile-inline = "FROM base\nRUN echo good >/good\n"
  tags              = ["good"]
}
`)
	s.rejected(dir, []string{"[bad 2/2] RUN sleep 1; exit 7", "did not complete successfully: exit code: 7", "failed: bad (exit status 1); not built: needs, slow"},
		"bad", "slow", "needs", "--metadata-file", "metadata.json")
	if _, err := os.Stat(filepath.Join(dir, "metadata.json")); err == nil {
		t.Error("there is a metadata file after a failure")
	}
	s.rejected(dir, []string{"failed: bad (exit status 1); not built: needs"}, "bad", "needs", "good", "--jobs", "defer-error,parallel=1", "--metadata-file", "metadata.json")
	if got := s.content("good", "/good"); got != "good" {
		t.Errorf("good has %q", got)
	}
	var metadata map[string]any
	read(t, filepath.Join(dir, "metadata.json"), &metadata)
	if len(metadata) != 1 || metadata["good"] == nil {
		t.Errorf("the metadata is %v", metadata)
	}
}

// TestBakeSignals: a signal ends the builds, which clean up; if bake itself is killed, the builds die
// with it.
func TestBakeSignals(t *testing.T) {
	s := newBakeStore(t)
	dir := bakeDir(t, "docker-bake.hcl", `
group "default" { targets = ["a", "b"] }
target "a" { dockerfile-inline = "FROM base\nRUN echo running; sleep 50\n" }
target "b" { dockerfile-inline = "FROM base\nRUN echo running too; sleep 51\n" }
`)
	for sent, status := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143, syscall.SIGKILL: -1} {
		cmd := s.bakeCommand(dir, "--progress", "rawjson")
		log := filepath.Join(t.TempDir(), "log")
		out, err := os.Create(log)
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		said := func() string { text, _ := os.ReadFile(log); return string(text) }
		cmd.Stderr = out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for range 300 {
			if strings.Contains(said(), "[a 2/2] RUN") && strings.Contains(said(), "[b 2/2] RUN") {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		if err := cmd.Process.Signal(sent); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		if got := cmd.ProcessState.ExitCode(); got != status {
			t.Errorf("%v: status %d, want %d: %s", sent, got, status, said())
		}
	}
	// The store and its bundle check that no process or mount is left.
}

// TestBakeCalls: --check and --call examine each Dockerfile and build nothing, not even the targets
// that a target needs.
func TestBakeCalls(t *testing.T) {
	s := newBakeStore(t)
	dir := bakeDir(t, "docker-bake.hcl", `
group "default" { targets = ["fine", "faulty"] }
target "fine" {
  dockerfile-inline = "FROM below\nCOPY --from=below / /x\n"
  contexts          = { below = "target:below" }
}
target "faulty" { dockerfile-inline = "FROM base\nMAINTAINER me\n" }
target "below" { dockerfile-inline = "FROM base\nRUN exit 1\n" }
`)
	stdout, stderr, err := s.tryBake(dir, "--check", "fine", "faulty")
	if err == nil || !strings.Contains(stdout, "MaintainerDeprecated") || !strings.Contains(stdout, "fine\n\nCheck complete, no warnings") {
		t.Errorf("%v: %s%s", err, stdout, stderr)
	}
	stdout, _ = s.bake(dir, "--call", "check,format=json", "fine")
	var printed struct {
		Target map[string]struct {
			Build, Check map[string]any
		}
	}
	if err := json.Unmarshal([]byte(stdout), &printed); err != nil {
		t.Fatal(err)
	}
	if fine := printed.Target["fine"]; fine.Build["contexts"] == nil || fine.Check["sources"] == nil {
		t.Errorf("printed is %s", stdout)
	}
}

// TestBakeRootless: bake works for an unprivileged user.
func TestBakeRootless(t *testing.T) {
	testbundle.NeedBake(t)
	u := testbundle.NewUnprivileged(t)
	testbundle.CopyFile(t, filepath.Join(filepath.Dir(testbundle.Binary), "minirun-bake"), filepath.Join(u.Home, "minirun-bake"), 0o755)
	testbundle.CopyFile(t, baseArchive(t), filepath.Join(u.Home, "base.tar"), 0o644)
	definition := filepath.Join(t.TempDir(), "definition")
	if err := os.WriteFile(definition, []byte(`
target "default" {
  dockerfile-inline = "FROM below\nRUN cat /f >/g\n"
  contexts          = { below = "target:below" }
  tags              = ["app"]
}
target "below" { dockerfile-inline = "FROM base\nRUN echo below >/f && chown 33 /f\n" }
`), 0o644); err != nil {
		t.Fatal(err)
	}
	testbundle.CopyFile(t, definition, filepath.Join(u.Home, "docker-bake.hcl"), 0o644)
	u.Do(t, "minirun import base.tar base && minirun build bake")
	if got := u.Do(t, "minirun run --rm app cat /g"); got != "below" {
		t.Errorf("/g is %q", got)
	}
}
