package e2e

import (
	"os"
	"path/filepath"
	"slices"
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
			r := b.Run("--explain-level", "normal")
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
			if len(full) < len(r.Stderr)*3/2 {
				t.Errorf("the full narration is %d bytes, the normal one %d", len(full), len(r.Stderr))
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
	b.Run("--explain-level", "loud").Fails(t, "--explain-level", "short, normal or full")
	b.Run("--explain", "--trace", "/x.txt").Fails(t, "cannot be combined with --trace")
}

// The shortest narration is at most 30 lines of at most 100 columns, and has the main facts.
func TestShortNarrationFits(t *testing.T) {
	for name, change := range map[string]func(*specs.Spec){"default": func(*specs.Spec) {}, "user namespace": userns} {
		t.Run(name, func(t *testing.T) {
			b := testbundle.New(t, change, memory(64<<20), testbundle.Args("true"))
			r := b.Run("--explain")
			r.Exit(t, 0)
			if n := strings.Count(r.Stderr, "\n"); n > 30 {
				t.Errorf("%d lines:\n%s", n, r.Stderr)
			}
			for line := range strings.Lines(r.Stderr) {
				if n := len([]rune(line)); n > 101 {
					t.Errorf("a line of %d columns: %s", n-1, line)
				}
			}
			has(t, r.Stderr, "steps", "mount proc on /proc", "the kernel reports: ", "pivot_root", "drop 38 capabilities", "CapEff (CAP_KILL",
				"the program runs", "exited with status 0")
		})
	}
}

// The narration at level full shows a fact when it changes, and equal steps as one line.
func TestFullNarrationRepeatsNothing(t *testing.T) {
	b := testbundle.New(t, testbundle.Args("true"))
	r := b.Run("--explain-level", "full")
	r.Exit(t, 0)
	for text, want := range map[string]int{"contains NoNewPrivs": 1, "contains CapBnd": 1, "PR_CAPBSET_DROP": 1, "/mountinfo": 1, "propagation of mounts": 0} {
		if n := strings.Count(r.Stderr, text); n > want {
			t.Errorf("%q is shown %d times, want %d:\n%s", text, n, want, r.Stderr)
		}
	}
	has(t, r.Stderr, "38 × prctl(PR_CAPBSET_DROP, …) = 0")
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

// TestExplainColors: the narration has colors on a terminal, and none in a pipe, with NO_COLOR, or on a
// terminal that has no colors.
func TestExplainColors(t *testing.T) {
	testbundle.Need(t)
	b := testbundle.New(t, testbundle.Args("true"))
	b.Write()
	for _, flags := range [][]string{{"--explain"}, {"--explain-level", "normal"}, {"--explain", "--hold"}} {
		for _, c := range []struct {
			env    string
			colors bool
		}{{"TERM=xterm", true}, {"NO_COLOR=1", false}, {"TERM=dumb", false}, {"NO_COLOR=", true}} {
			p := testbundle.NewPty(t)
			cmd := b.Command(append(append([]string{"run"}, flags...), b.ID, b.Dir)...)
			cmd.Env = append(cmd.Env, "TERM=xterm", c.env)
			p.Attach(cmd)
			b.Start(cmd)
			text := ""
			if slices.Contains(flags, "--hold") {
				text = p.Expect("Press Enter")
				p.Type("\n")
			}
			text += p.Expect("delete the container")
			exits(t, cmd, 0)
			if got := strings.Contains(text, "\x1b["); got != c.colors {
				t.Errorf("%q with %s: colors: %t, want %t:\n%q", flags, c.env, got, c.colors, text)
			}
		}
		b.Stdin = "\n"
		if r := b.Minirun(append(append([]string{"run"}, flags...), b.ID, b.Dir)...); strings.Contains(r.Stderr, "\x1b") {
			t.Errorf("%q: colors in a pipe: %q", flags, r.Stderr)
		}
	}
}
