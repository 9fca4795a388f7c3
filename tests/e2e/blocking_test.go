package e2e

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/testbundle"
)

// No write of minirun may prevent it from ending: neither writing the state to a hook, nor its own
// messages, nor anything after the end of the program.

// large enlarges the state of a container beyond a pipe's buffer.
func large(s *specs.Spec) {
	s.Annotations = map[string]string{"org.example": strings.Repeat("x", 256<<10)}
}

// TestHookThatDoesNotReadItsState: the hook's timeout applies, and without a timeout a signal ends
// minirun.
func TestHookThatDoesNotReadItsState(t *testing.T) {
	one := 1
	for _, kind := range hookKinds {
		t.Run(kind, func(t *testing.T) {
			testbundle.Parallel(t)
			b := testbundle.New(t, large, testbundle.Args("sleep", "1"))
			hook := shellHook("touch " + b.Host + "/begun; exec sleep 1000")
			if kind == "startContainer" {
				addMount(specs.Mount{Destination: "/host", Source: b.Host, Options: []string{"bind"}})(b.Spec)
				hook = shellHook("touch /host/begun; exec sleep 1000")
			}
			b.Spec.Hooks = &specs.Hooks{}
			hook.Timeout = &one
			setHooks(b.Spec.Hooks, kind, hook)
			r := b.Run()
			if !strings.Contains(r.Stderr, "hooks."+kind+"[0]") || !strings.Contains(r.Stderr, "timeout of 1 s") {
				t.Errorf("exit status %d: %s", r.Status, r.Stderr)
			}
			if err := os.Remove(filepath.Join(b.Host, "begun")); err != nil {
				t.Fatal(err)
			}
			hook.Timeout = nil
			setHooks(b.Spec.Hooks, kind, hook)
			b.Write()
			cmd := b.Command("run", b.ID, b.Dir)
			b.Start(cmd)
			await(t, filepath.Join(b.Host, "begun"))
			if err := cmd.Process.Signal(unix.SIGTERM); err != nil {
				t.Fatal(err)
			}
			want := 128 + int(unix.SIGTERM)
			if kind == "poststop" {
				want = 0 // the program's status: the hook's failure is only a warning
			}
			exits(t, cmd, want)
		})
	}
}

// TestHookReadsWholeState: a hook receives its complete state regardless of the limits of pipes, that
// is, their maximum size and the number of pages that a user may have in pipes.
func TestHookReadsWholeState(t *testing.T) {
	b := testbundle.New(t, testbundle.Writable, testbundle.Sh("cat /tmp/size"))
	b.Spec.Annotations = map[string]string{"org.example": strings.Repeat("x", 3<<20)}
	for _, kind := range hookKinds[2:4] {
		b.Spec.Hooks = &specs.Hooks{}
		setHooks(b.Spec.Hooks, kind, shellHook(`echo $(($(wc -c) >> 20)) > tmp/size`))
		b.Run().Prints(t, "3")
	}
}

// TestHookEndsWithItsTime: a hook that runs inside a container with neither a PID namespace nor a
// cgroup does not die with the container's first process, but is killed anyway at its timeout.
func TestHookEndsWithItsTime(t *testing.T) {
	one := 1
	for _, kind := range hookKinds[2:4] {
		t.Run(kind, func(t *testing.T) {
			b := withoutCgroup(t, testbundle.Without(specs.PIDNamespace), testbundle.Writable)
			hook := shellHook("echo $$ > tmp/pid; exec sleep 1000")
			hook.Timeout = &one
			b.Spec.Hooks = &specs.Hooks{}
			setHooks(b.Spec.Hooks, kind, hook)
			b.Run().Fails(t, "hooks."+kind+"[0]", "timeout of 1 s")
			text, err := os.ReadFile(b.Path("/tmp/pid"))
			if err != nil {
				t.Fatal(err)
			}
			pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
			if err != nil {
				t.Fatal(err)
			}
			testbundle.Await(t, "the end of the hook", func() bool { return len(alive([]int{pid})) == 0 })
		})
	}
}

// TestPoststopHooksAfterSignal: a signal kills the hook that hangs, and the remaining hooks run.
func TestPoststopHooksAfterSignal(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh("exit 5"))
	b.Spec.Hooks = &specs.Hooks{Poststop: []specs.Hook{
		shellHook("touch " + b.Host + "/begun; exec sleep 1000"), shellHook("touch " + b.Host + "/second"),
	}}
	b.Write()
	cmd := b.Command("run", b.ID, b.Dir)
	b.Start(cmd)
	await(t, filepath.Join(b.Host, "begun"))
	if err := cmd.Process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	exits(t, cmd, 5)
	if _, err := os.Stat(filepath.Join(b.Host, "second")); err != nil {
		t.Error("the second hook did not run")
	}
}

// TestNarrationWithoutReader: --explain waits for its reader, but a signal ends the wait.
func TestNarrationWithoutReader(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	fill(t, w)
	for _, flags := range [][]string{{"--explain"}, {"--explain-to", "/dev/stderr"}} {
		b := testbundle.New(t, testbundle.Args("sleep", "1000"))
		b.Write()
		cmd := b.Command(append(append([]string{"run"}, flags...), b.ID, b.Dir)...)
		cmd.Stderr = w
		b.Start(cmd)
		await(t, b.State())
		if err := cmd.Process.Signal(unix.SIGTERM); err != nil {
			t.Fatal(err)
		}
		exits(t, cmd, 128+int(unix.SIGTERM))
		if _, err := os.Stat(b.State()); err == nil {
			t.Error("the container is still there")
		}
	}
	w.Close()
}

// fill fills a pipe.
func fill(t *testing.T, w *os.File) {
	t.Helper()
	fd := int(w.Fd())
	if err := unix.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := unix.Write(fd, make([]byte, 4096)); errors.Is(err, unix.EAGAIN) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.SetNonblock(fd, false); err != nil {
		t.Fatal(err)
	}
}
