package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/testbundle"
)

// endsAfterSIGTERM sends SIGTERM to a waiting command, and expects it to end.
func endsAfterSIGTERM(t *testing.T, cmd *exec.Cmd, status int) {
	t.Helper()
	if err := cmd.Process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	hang := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
	_ = cmd.Wait()
	if !hang.Stop() {
		t.Fatal("minirun ignores SIGTERM while it waits")
	}
	if got := cmd.ProcessState.ExitCode(); got != status {
		t.Errorf("exit status %d, want %d", got, status)
	}
}

// awaitCaught waits until minirun queues signals instead of dying from them: the sign of this is that
// it has a pipe.
func awaitCaught(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	testbundle.Await(t, "minirun catches signals", func() bool {
		dir := "/proc/" + strconv.Itoa(cmd.Process.Pid) + "/fd"
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			to, _ := os.Readlink(filepath.Join(dir, e.Name()))
			if fd, _ := strconv.Atoi(e.Name()); fd > 2 && strings.HasPrefix(to, "pipe:") {
				return true
			}
		}
		return false
	})
	time.Sleep(50 * time.Millisecond) // the handlers are installed right after the pipe
}

// holdLock takes a container's lock, as another command would.
func holdLock(t *testing.T, b *testbundle.Bundle) *os.File {
	t.Helper()
	dir, err := os.Open(b.State())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestSIGTERMEndsExecThatWaitsForTheLock(t *testing.T) {
	b := testbundle.New(t, testbundle.Args("sleep", "1000"))
	detached(t, b)
	lock := holdLock(t, b)
	cmd := b.Command("exec", b.ID, "true")
	b.Start(cmd)
	awaitCaught(t, cmd)
	endsAfterSIGTERM(t, cmd, 143)
	lock.Close()
}

// run needs the lock to delete the container when it ends.
func TestSIGTERMEndsRunThatWaitsForTheLock(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh("read line"))
	b.Write()
	input, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer input.Close()
	cmd := b.Command("run", b.ID, b.Dir)
	cmd.Stdin = input
	b.Start(cmd)
	awaitStatusOfNew(t, b, specs.StateRunning)
	lock := holdLock(t, b)
	w.Close()
	awaitStatus(t, b, specs.StateStopped)
	time.Sleep(50 * time.Millisecond) // now it is waiting for the lock
	endsAfterSIGTERM(t, cmd, 143)
	lock.Close()
	b.Minirun("delete", "--force", b.ID).Exit(t, 0)
}

// awaitStatusOfNew is like awaitStatus, for a container that another command is creating at the same
// time.
func awaitStatusOfNew(t *testing.T, b *testbundle.Bundle, want specs.ContainerState) {
	t.Helper()
	testbundle.Await(t, "status "+string(want), func() bool {
		r := b.Minirun("state", b.ID)
		return r.Status == 0 && strings.Contains(r.Stdout, `"`+string(want)+`"`)
	})
}

func TestSIGTERMEndsRunWithSlowPoststopHook(t *testing.T) {
	b := testbundle.New(t, testbundle.Args("true"))
	began := filepath.Join(b.Host, "began")
	b.Spec.Hooks = &specs.Hooks{Poststop: []specs.Hook{{Path: "/bin/sh", Args: []string{"sh", "-c", "echo yes >" + began + "; exec sleep 1000"}}}}
	b.Write()
	cmd := b.Command("run", b.ID, b.Dir)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	cmd.WaitDelay = 5 * time.Second
	b.Start(cmd)
	awaitText(t, began)
	endsAfterSIGTERM(t, cmd, 0) // the program's exit status
	if !strings.Contains(complaint.String(), "hooks.poststop[0]") {
		t.Errorf("it does not say that the hook was killed: %s", complaint.String())
	}
}

// The last output may be blocked by a terminal.
func TestSIGTERMEndsRunWithBlockedTerminalOutput(t *testing.T) {
	p := testbundle.NewPty(t)
	b := testbundle.New(t, terminal, testbundle.Sh("echo done; echo yes >/host/wrote"))
	testbundle.AddMount(specs.Mount{Destination: "/host", Source: b.Host, Options: []string{"bind"}})(b.Spec)
	b.Write()
	r, full, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	size, err := unix.FcntlInt(full.Fd(), unix.F_SETPIPE_SZ, 4096)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := full.Write(make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	cmd := b.Command("run", b.ID, b.Dir)
	cmd.Stdin, cmd.Stdout = p.Slave, full
	b.Start(cmd)
	full.Close()
	awaitText(t, filepath.Join(b.Host, "wrote"))
	awaitStatus(t, b, specs.StateStopped)
	time.Sleep(50 * time.Millisecond)
	endsAfterSIGTERM(t, cmd, 0)
}

// A stopped terminal (^S) does not accept what the program wrote before it was killed. The signal has
// already arrived, and no second one must be necessary.
func TestSIGTERMEndsStartWithStoppedTerminal(t *testing.T) {
	p := testbundle.NewPty(t)
	b := testbundle.New(t, testbundle.Sh("while :; do echo more; done"))
	began := filepath.Join(b.Host, "began")
	b.Spec.Hooks = &specs.Hooks{Poststart: []specs.Hook{shellHook("touch " + began + "; exec sleep 1000")}}
	b.Write()
	if err := unix.IoctlSetInt(int(p.Slave.Fd()), unix.TCXONC, unix.TCOOFF); err != nil {
		t.Fatal(err)
	}
	cmd := b.Command("run", b.ID, b.Dir)
	cmd.Stdout = p.Slave
	b.Start(cmd)
	await(t, began)
	endsAfterSIGTERM(t, cmd, 143)
}

// A shell in step may run for a long time.
func TestSIGTERMEndsStepWithShell(t *testing.T) {
	b := testbundle.New(t)
	b.Write()
	began := filepath.Join(b.Host, "began")
	b.Stdin = "shell touch " + began + "; exec sleep 1000\n"
	cmd := b.Command("step", b.ID, b.Dir)
	cmd.WaitDelay = 5 * time.Second
	b.Start(cmd)
	await(t, began)
	endsAfterSIGTERM(t, cmd, 143)
}
