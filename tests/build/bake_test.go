package build

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/minirun/minirun/tests/testbundle"
)

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

// TestBakeBuildsTargetsInOrder: each target is a build. A target that another one needs is built first
// and passed to it without a name; a target that has an output and is also needed by another is
// delivered to both.
func TestBakeBuildsTargetsInOrder(t *testing.T) {
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
	if strings.Contains(s.Do("images"), "never") {
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

// TestBakeBuildsEveryPlatformThatIsNeeded: a target that is needed for several platforms is built for
// all of them.
func TestBakeBuildsEveryPlatformThatIsNeeded(t *testing.T) {
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

// TestBakeStopsAfterFailure: after a failure no more builds are started, unless --jobs allows it, and a
// target that needs a failed target is never built.
func TestBakeStopsAfterFailure(t *testing.T) {
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

// TestBakeSignalEndsAllBuilds: a signal ends the builds, which clean up; if bake itself is killed, the
// builds die with it.
func TestBakeSignalEndsAllBuilds(t *testing.T) {
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

// TestBakeCheckBuildsNothing: --check and --call examine each Dockerfile and build nothing, not even
// the targets that a target needs.
func TestBakeCheckBuildsNothing(t *testing.T) {
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

// TestBakeAsUnprivilegedUser: bake works for an unprivileged user.
func TestBakeAsUnprivilegedUser(t *testing.T) {
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
