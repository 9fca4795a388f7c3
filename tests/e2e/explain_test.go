package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/tests/testbundle"
)

// has checks that a text contains all of some words.
func has(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("there is no %q in:\n%s", w, text)
		}
	}
}

func memory(limit int64) func(*specs.Spec) {
	return func(s *specs.Spec) { s.Linux.Resources.Memory = &specs.LinuxMemory{Limit: &limit} }
}

// The narration shows the results of the steps and of the kernel.
func TestExplainNarratesSteps(t *testing.T) {
	for name, change := range map[string]func(*specs.Spec){"default": func(*specs.Spec) {}, "user namespace": userns, "filtered": func(s *specs.Spec) {
		s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow}
	}} {
		t.Run(name, func(t *testing.T) {
			b := testbundle.New(t, change, memory(64<<20), testbundle.Sh("echo inside; exit 5"))
			r := b.Run("--explain")
			if r.Status != 5 || r.Stdout != "inside\n" {
				t.Errorf("status %d, output %q", r.Status, r.Stdout)
			}
			has(t, r.Stderr, "config.json: linux.resources.memory.limit", "wrote 67108864; the file contains 67108864", "see it: cat /sys/fs/cgroup",
				"config.json: mounts[0]", "mount proc on /proc", "the kernel reports: mount added:", "pivot_root")
			if name != "filtered" {
				has(t, r.Stderr, "the program runs")
			}
			full := b.Run("--explain-level", "full").Stderr
			has(t, full, "close_range(3, 4294967295, CLOSE_RANGE_CLOEXEC) = 0", "-1 ENOENT (no such file or directory), so the plan continues at step")
			if len(full) < 2*len(r.Stderr) {
				t.Errorf("the full narration is %d bytes, the short one %d", len(full), len(r.Stderr))
			}
			to := filepath.Join(b.Host, "told")
			if r := b.Run("--explain-to", to); strings.Contains(r.Stderr, "pivot_root") {
				t.Error("--explain-to tells standard error too")
			}
			if text, err := os.ReadFile(to); err != nil || !strings.Contains(string(text), "pivot_root") {
				t.Errorf("--explain-to: %d bytes, %v", len(text), err)
			}
		})
	}
	b := testbundle.New(t)
	b.Run("--explain-level", "loud").Fails(t, "--explain-level", "short or full")
	b.Run("--explain", "--trace", "/x.txt").Fails(t, "choose one")
}

// A container that is run with --explain fails in the same way as without it.
func TestExplainFailure(t *testing.T) {
	b := testbundle.New(t, testbundle.Args("/no/such"))
	b.Run("--explain").Fails(t, "config.json: process.args", "/no/such", "no such file")
	b.Run("--trace", filepath.Join(b.Host, "t.txt")).Fails(t, "config.json: process.args", "/no/such", "no such file")
}

// The reader of the narration may exit; the container is not affected.
func TestExplainWithoutReader(t *testing.T) {
	b := testbundle.New(t, testbundle.Args("true"))
	b.Write()
	cmd := b.Command("run", "--explain", b.ID, b.Dir)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	cmd.Stderr = w
	if err := cmd.Run(); err != nil {
		t.Error(err)
	}
	w.Close()
}
