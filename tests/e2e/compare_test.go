package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/tests/testbundle"
)

func TestCompareCommand(t *testing.T) {
	testbundle.Need(t)
	if _, err := exec.LookPath("runc"); err != nil {
		t.Skip("needs runc: apt-get install runc")
	}
	b := testbundle.New(t, memory(64<<20), testbundle.Sh("touch /tmp/ran"), testbundle.Writable)
	b.Write()
	var result struct {
		Facts       int
		Differences []struct{ Fact, Left, Right, Why string }
		Create      []float64
	}
	r := b.Minirun("compare", "--format", "json", "--rounds", "1", b.Dir)
	if err := json.Unmarshal([]byte(r.Stdout), &result); err != nil || result.Facts < 80 || result.Create[0] == 0 {
		t.Fatalf("%v: %s%s", err, r.Stdout, r.Stderr)
	}
	for _, d := range result.Differences {
		if d.Why == "" {
			t.Errorf("not explained: %s: %q, with runc %q", d.Fact, d.Left, d.Right)
		}
	}
	if _, err := os.Stat(b.Path("/tmp/ran")); err == nil {
		t.Error("the program has run")
	}
	has(t, b.Minirun("compare", "--rounds", "0", b.Dir).Stdout, "facts compared", "MINIRUN", "RUNC")
	b.Minirun("compare", "--with", "/no/such", b.Dir).Fails(t, "--with", "/no/such")
}

// TestCompareExplainsSpecBundles: every difference from runc in the bundles that `minirun spec` writes has a
// reason, in the text and as JSON, and the text fits a terminal.
func TestCompareExplainsSpecBundles(t *testing.T) {
	testbundle.Need(t)
	if _, err := exec.LookPath("runc"); err != nil {
		t.Skip("needs runc: apt-get install runc")
	}
	for _, flags := range [][]string{{}, {"--rootless"}} {
		b := testbundle.New(t)
		b.Write()
		if err := os.Remove(filepath.Join(b.Dir, "config.json")); err != nil {
			t.Fatal(err)
		}
		b.Minirun(append([]string{"spec", "--bundle", b.Dir}, flags...)...).Exit(t, 0)
		r := b.Minirun("compare", "--rounds", "0", b.Dir)
		if r.Status != 0 || strings.Contains(r.Stdout, "not explained") {
			t.Errorf("%q: status %d:\n%s%s", flags, r.Status, r.Stdout, r.Stderr)
		}
		for line := range strings.Lines(r.Stdout) {
			if n := len([]rune(line)); n > 81 {
				t.Errorf("a line of %d columns: %s", n-1, line)
			}
		}
		var result struct{ Differences []struct{ Fact, Why string } }
		if err := json.Unmarshal([]byte(b.Minirun("compare", "--rounds", "0", "--format", "json", b.Dir).Stdout), &result); err != nil {
			t.Fatal(err)
		}
		for _, d := range result.Differences {
			if d.Why == "" || !strings.Contains(r.Stdout, d.Fact) {
				t.Errorf("%q: %+v is not explained, or not in\n%s", flags, d, r.Stdout)
			}
		}
	}
}

// TestCompareWithoutMountNamespace: neither runtime leaves mounts on the host.
func TestCompareWithoutMountNamespace(t *testing.T) {
	testbundle.Need(t)
	if _, err := exec.LookPath("runc"); err != nil {
		t.Skip("needs runc: apt-get install runc")
	}
	b := testbundle.New(t, onHost)
	b.Write()
	has(t, b.Minirun("compare", "--rounds", "1", b.Dir).Stdout, "facts compared", "medians")
	if n := mountsBelow(b.Path("")); n != 0 {
		t.Errorf("%d mounts are left on the host", n)
	}
}

// TestCompareAfterSignal: compare deletes its containers, and runs as one process.
func TestCompareAfterSignal(t *testing.T) {
	testbundle.Need(t)
	if _, err := exec.LookPath("runc"); err != nil {
		t.Skip("needs runc: apt-get install runc")
	}
	for name, change := range map[string]func(*specs.Spec){"a mount namespace": func(*specs.Spec) {}, "no mount namespace": onHost} {
		t.Run(name, func(t *testing.T) {
			b := testbundle.New(t, change)
			began := filepath.Join(b.Host, "began")
			hook := shellHook("env >" + b.Host + "/env; touch " + began + "; exec sleep 1000")
			hook.Env = nil // the hook inherits the environment of the runtime's caller
			b.Spec.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{hook}}
			b.Spec.Linux.CgroupsPath = ""
			b.Write()
			cmd := b.Command("compare", b.Dir)
			cmd.Env = append(cmd.Env, "TMPDIR="+b.Host)
			b.Start(cmd)
			await(t, began)
			endsAfterSIGTERM(t, cmd, 143)
			if text, err := os.ReadFile(b.Host + "/env"); err != nil || strings.Contains(string(text), "MINIRUN_COMPARE") {
				t.Errorf("a hook has a variable of minirun's own: %s, %v", text, err)
			}
			if left, _ := filepath.Glob(b.Host + "/minirun-compare-*"); len(left) > 0 {
				t.Errorf("left: %q", left)
			}
		})
	}
}
