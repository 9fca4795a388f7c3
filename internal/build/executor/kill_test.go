package executor

import (
	"bufio"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/minirun/minirun/internal/build/graph"
	"github.com/minirun/minirun/tests/testbundle"
)

// TestInterruptKillsStep: cancelling the context kills the program and all of its processes.
func TestInterruptKillsStep(t *testing.T) {
	x := newBox(t)
	s, _ := x.step("trap '' TERM INT; sleep 1000 & echo ready; sleep 1000")
	ctx, cancel := context.WithCancelCause(context.Background())
	why := errors.New("enough")
	s.Output = writer(func() { cancel(why) })
	if err := x.Run(ctx, s); !errors.Is(err, why) {
		t.Error(err)
	}
	// It has not started yet.
	if err := x.Run(ctx, s); !errors.Is(err, why) {
		t.Error(err)
	}
}

type writer func()

func (w writer) Write(p []byte) (int, error) {
	w()
	return len(p), nil
}

// TestKilledBuilderLeavesNothing: no process survives when the builder is killed, and the next builder cleans up.
func TestKilledBuilderLeavesNothing(t *testing.T) {
	x := newBox(t)
	for name, script := range map[string]string{
		"root":         "sleep 1000 & echo ready; sleep 1000",
		"another user": "sleep 1000 & echo ready; sleep 1000",
		"no init":      "echo ready; exec sleep 1000",
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := x.step(script, graph.Mount{Type: "secret", ID: "a"},
				graph.Mount{Type: "cache", Target: "/c", ID: "c", Sharing: "locked"}, graph.Mount{Type: "bind", Target: "/m"})
			s.Mounts[2] = x.other(map[string]string{"a": ""}, nil)
			if name == "another user" {
				s.Op.User = "user"
			}
			s.Secrets = Secrets{"a": {Data: []byte("x")}}
			cmd := x.elsewhere(s)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
				t.Fatalf("%q, %v", line, err)
			}
			if got := mounted(t); strings.Contains(got, x.Store.Dir) {
				t.Errorf("the host has a mount: %s", got)
			}
			// A sweep leaves running steps alone, and removes those without a process: this PID
			// is too high to exist.
			dead := filepath.Join(x.Store.Dir, "tmp", "step.4194305.1")
			if err := os.MkdirAll(filepath.Join(dead, "fs"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := x.Sweep(); err != nil {
				t.Fatal(err)
			}
			if left, err := listNames(x.root()); err != nil || len(left) != 1 {
				t.Errorf("the sweep has left %s, %v", left, err)
			}
			if _, err := os.Stat(dead); err == nil {
				t.Error("a dead builder's directory is left")
			}
			pid := x.pid()
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			waitFor(t, "the end of the program", func() bool {
				testbundle.Reap()
				_, err := os.Stat("/proc/" + pid)
				return errors.Is(err, fs.ErrNotExist)
			})
			if err := x.Sweep(); err != nil {
				t.Error(err)
			}
			x.clean()
			// The cache's lock was released.
			x.says("true", graph.Mount{Type: "cache", Target: "/c", ID: "c", Sharing: "locked"})
		})
	}
}

// TestBuilderKilledAtAnyMoment kills builders after different delays.
func TestBuilderKilledAtAnyMoment(t *testing.T) {
	x := newBox(t)
	for n := range 40 {
		s, _ := x.step("sleep 1000", graph.Mount{Type: "cache", Target: "/c", ID: "c"})
		cmd := x.elsewhere(s)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(n) * time.Millisecond)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		if n%4 == 3 {
			if err := x.Sweep(); err != nil {
				t.Error(err)
			}
		}
	}
	// A process of a builder may hold its lock for a moment longer.
	waitFor(t, "Sweep to remove everything", func() bool {
		if err := x.Sweep(); err != nil {
			t.Fatal(err)
		}
		return len(x.left()) == 0
	})
}

func waitFor(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited for %s", what)
		}
	}
}

// there returns a function that reports whether a file exists.
func there(path string) func() bool {
	return func() bool {
		_, err := os.Stat(path)
		return err == nil
	}
}

func mounted(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// pid returns the first process of the only running container, from its state file.
func (x *box) pid() string {
	x.t.Helper()
	ids, err := listNames(x.root())
	if err != nil || len(ids) != 1 {
		x.t.Fatalf("containers %s, %v", ids, err)
	}
	out, err := x.command("state", ids[0]).Output()
	if err != nil {
		x.t.Fatal(err)
	}
	_, pid, _ := strings.Cut(string(out), `"pid": `)
	pid, _, _ = strings.Cut(pid, ",")
	if _, err := strconv.Atoi(pid); err != nil {
		x.t.Fatalf("%s: %v", out, err)
	}
	return pid
}

// TestSweepKeepsStartingStep: another build's sweep does not take away the directory of a step that
// begins, which is not locked from the first moment on.
func TestSweepKeepsStartingStep(t *testing.T) {
	x := newBox(t)
	s, _ := x.step("true")
	stop, swept := make(chan struct{}), make(chan error)
	go func() {
		var err error
		for err == nil {
			select {
			case <-stop:
				swept <- nil
				return
			default:
				err = x.Sweep()
			}
		}
		swept <- err
		<-stop
	}()
	for range 2000 {
		step, err := x.newStepRun(s)
		if err != nil {
			t.Error(err)
			break
		}
		if _, err := os.Stat(step.bundle()); err != nil {
			t.Error(err)
		}
		if err := step.close(); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	if err := <-swept; err != nil {
		t.Error(err)
	}
}
