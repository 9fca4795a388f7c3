package build

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"testing"
)

// upstream lists the packages of BuildKit's Dockerfile language that are linked into minirun.
var upstream = []string{
	"github.com/moby/buildkit/frontend/dockerfile/parser",
	"github.com/moby/buildkit/frontend/dockerfile/shell",
	"github.com/moby/buildkit/frontend/dockerfile/instructions",
}

// TestUpstream runs BuildKit's own tests of its language, as they are in the module. Their additional
// dependencies are in upstream/go.mod, and are not dependencies of minirun. The linter's package has
// no tests.
func TestUpstream(t *testing.T) {
	version := regexp.MustCompile(`github.com/moby/buildkit (v\S+)`)
	var versions []string
	for _, file := range []string{"../../go.mod", "upstream/go.mod"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		m := version.FindSubmatch(text)
		if m == nil {
			t.Fatalf("%s has no BuildKit", file)
		}
		versions = append(versions, string(m[1]))
	}
	if versions[0] != versions[1] {
		t.Fatalf("minirun links BuildKit %s, and upstream/go.mod tests %s: go -C tests/build/upstream get -t …@%[1]s (README.md)", versions[0], versions[1])
	}
	run := func(args ...string) ([]byte, error) {
		cmd := exec.Command("go", args...)
		cmd.Dir = "upstream"
		cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off", "CGO_ENABLED=0")
		return cmd.CombinedOutput()
	}
	if out, err := run(append([]string{"list", "-test", "-deps"}, upstream...)...); err != nil {
		if notFetched.Match(out) {
			t.Skipf("the modules of BuildKit's tests cannot be fetched: %s", bytes.TrimSpace(out))
		}
		t.Fatalf("%v: %s", err, out)
	}
	out, err := run(append([]string{"test", "-count=1", "-v"}, upstream...)...)
	if err != nil {
		t.Fatalf("BuildKit's own tests: %v\n%s", err, out)
	}
	passed := len(regexp.MustCompile(`(?m)^--- PASS`).FindAll(out, -1))
	if ok := regexp.MustCompile(`(?m)^ok `).FindAll(out, -1); len(ok) != len(upstream) || passed < 30 {
		t.Errorf("%d packages of %d, %d tests have passed:\n%s", len(ok), len(upstream), passed, out)
	}
	t.Logf("%d tests of BuildKit %s pass", passed, versions[0])
}

// notFetched matches the messages of go about a proxy that is unreachable, or that must not be used.
var notFetched = regexp.MustCompile(`dial tcp|no such host|i/o timeout|connection (refused|reset)|module lookup disabled|proxy server|Bad Gateway|Service Unavailable`)
