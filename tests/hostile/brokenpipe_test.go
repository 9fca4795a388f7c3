package hostile

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/testbundle"
)

// A hook, a log or a terminal may close its end while minirun writes to it. This is an error that
// minirun handles; a signal would kill minirun and leave the container: in that case the clean-up of
// each bundle fails the test.

func hostHook(script string) specs.Hook {
	return specs.Hook{Path: "/bin/sh", Args: []string{"sh", "-c", script}, Env: []string{"PATH=/usr/bin:/bin"}}
}

func createRuntime(hooks ...specs.Hook) func(*specs.Spec) {
	return func(s *specs.Spec) { s.Hooks = &specs.Hooks{CreateRuntime: hooks} }
}

// prints returns a hook that prints megabytes, enough to make minirun's garbage collector run.
func prints(megabytes int) specs.Hook {
	return hostHook(fmt.Sprintf("head -c %d /dev/zero | tr '\\0' x", megabytes*1000*1000))
}

// TestStandardErrorOutlivesGarbage: minirun's garbage collector must not close its standard error, on
// which it later reports the failure.
func TestStandardErrorOutlivesGarbage(t *testing.T) {
	for range 3 {
		b := testbundle.New(t, createRuntime(prints(2)), testbundle.Args("/no/such"))
		r := b.Run()
		r.Exit(t, 1)
		r.Fails(t, "config.json: process.args", "/no/such")
	}
}

// TestHooksAfterGarbage: a pipe to a hook must not get the number of a standard descriptor, for which
// Go's runtime handles a broken pipe with SIGPIPE.
func TestHooksAfterGarbage(t *testing.T) {
	hooks := []specs.Hook{prints(8)}
	for range 5 {
		hooks = append(hooks, specs.Hook{Path: "/bin/true"})
	}
	for range 5 {
		b := testbundle.New(t, createRuntime(hooks...), testbundle.Sh("echo out; echo err >&2"))
		r := b.Run()
		r.Prints(t, "out")
		if r.Stderr != "err\n" {
			t.Errorf("standard error: %q", r.Stderr)
		}
	}
}

// TestHookDoesNotReadItsState: a hook that ends at once breaks the pipe through which it gets its
// state.
func TestHookDoesNotReadItsState(t *testing.T) {
	large := func(s *specs.Spec) { s.Annotations = map[string]string{"org.example": strings.Repeat("x", 200<<10)} }
	b := testbundle.New(t, large, testbundle.Sh("echo ran"), createRuntime(specs.Hook{Path: "/bin/true"}, hostHook("exec <&-; sleep 0.1")))
	b.Spec.Hooks.Poststart = []specs.Hook{{Path: "/bin/true"}}
	b.Run().Prints(t, "ran")
}

// TestHookInsideWithLargeState: hooks inside the container get their state before they start, when no
// process is reading it yet.
func TestHookInsideWithLargeState(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh("echo ran"), func(s *specs.Spec) {
		s.Annotations = map[string]string{"org.example": strings.Repeat("x", 200<<10)}
		count := specs.Hook{Path: "/bin/sh", Args: []string{"sh", "-c", `test $(wc -c) -gt 200000`}, Env: []string{"PATH=/usr/bin:/bin"}}
		s.Hooks = &specs.Hooks{CreateContainer: []specs.Hook{count, {Path: "/bin/true"}}, StartContainer: []specs.Hook{count}}
	})
	b.Run().Prints(t, "ran")
}

// withoutReader runs a command whose standard output, standard error or both are a pipe without a
// reader. It returns the exit status and the output on the other descriptor.
func withoutReader(t *testing.T, cmd *exec.Cmd, fds ...int) (status int, rest string) {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	read.Close()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	for _, fd := range fds {
		if fd == 1 {
			cmd.Stdout = write
		} else {
			cmd.Stderr = write
		}
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	write.Close()
	timer := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	_ = cmd.Wait()
	return cmd.ProcessState.ExitCode(), out.String()
}

// TestWarningWithoutReader: a warning while the container runs, if standard error has no reader.
func TestWarningWithoutReader(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh("sleep 0.2; exit 6"), func(s *specs.Spec) {
		s.Version = "1.2.0" // in which a failed poststart hook is a warning
		s.Hooks = &specs.Hooks{Poststart: []specs.Hook{{Path: "/bin/false"}}}
	})
	b.Write()
	if status, _ := withoutReader(t, b.Command("run", b.ID, b.Dir), 2); status != 6 {
		t.Errorf("exit status %d, want 6", status)
	}
}

// TestErrorWithoutReader: the exit status of an error does not depend on whether the message is read.
func TestErrorWithoutReader(t *testing.T) {
	b := testbundle.New(t, testbundle.Args("/no/such"))
	b.Write()
	if status, _ := withoutReader(t, b.Command("run", b.ID, b.Dir), 2); status != 1 {
		t.Errorf("exit status %d, want 1", status)
	}
}

// TestLogWithoutReader: --log may be a FIFO whose reader exits.
func TestLogWithoutReader(t *testing.T) {
	b := testbundle.New(t, testbundle.Args("/no/such"))
	fifo := filepath.Join(filepath.Dir(b.Host), "log")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	reader, err := os.OpenFile(fifo, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	opened := filepath.Join(b.Host, "opened")
	createRuntime(hostHook("touch " + opened + "; sleep 0.3"))(b.Spec)
	b.Global = append(b.Global, "--log", fifo)
	b.Write()
	go func() {
		for range 200 {
			if _, err := os.Stat(opened); err == nil {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		reader.Close()
	}()
	r := b.Minirun("run", b.ID, b.Dir)
	r.Exit(t, 1)
	r.Fails(t, "/no/such")
	b.Global = b.Global[:len(b.Global)-2]
}

// TestTerminalWithoutReader: the output of the container's terminal is not read. The terminal is hung
// up, like one whose window is closed.
func TestTerminalWithoutReader(t *testing.T) {
	p := testbundle.NewPty(t)
	b := testbundle.New(t, testbundle.Sh("while echo x; do sleep 0.05; done 2>/dev/null; exit 4"), func(s *specs.Spec) { s.Process.Terminal = true })
	b.Write()
	cmd := b.Command("run", b.ID, b.Dir)
	cmd.Stdin = p.Slave
	if status, text := withoutReader(t, cmd, 1); status != 4 {
		t.Errorf("exit status %d, want 4: %s", status, text)
	}
}

// TestStepWithoutReader: the output of step and of run --explain is not read.
func TestStepWithoutReader(t *testing.T) {
	for _, args := range [][]string{{"step"}, {"run", "--explain"}} {
		b := testbundle.New(t, testbundle.Sh("exit 8"))
		b.Write()
		cmd := b.Command(append(args, b.ID, b.Dir)...)
		cmd.Stdin = strings.NewReader("continue\n")
		if status, text := withoutReader(t, cmd, 2); status != 8 {
			t.Errorf("%s: exit status %d: %s", args[0], status, text)
		}
	}
}

// TestListWithoutReader: a command that only prints ends quietly.
func TestListWithoutReader(t *testing.T) {
	b := testbundle.New(t)
	if status, text := withoutReader(t, b.Command("list"), 1); status == 0 || text != "" {
		t.Errorf("exit status %d: %q", status, text)
	}
}
