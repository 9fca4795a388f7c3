package e2e

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/containerd/console"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/testbundle"
)

// inSession runs a command in a new session, in which it has no controlling terminal.
func inSession(t *testing.T, cmd *exec.Cmd) testbundle.Result {
	t.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return testbundle.Finish(t, cmd)
}

// TestTerminalNeedsOne: if minirun itself has no terminal, it cannot connect the container's, and
// nothing is created.
func TestTerminalNeedsOne(t *testing.T) {
	b := testbundle.New(t, terminal)
	b.Write()
	inSession(t, b.Command("run", b.ID, b.Dir)).Fails(t, "config.json: process.terminal", "/dev/tty", "--console-socket")
	up, _ := up(t)
	inSession(t, up.Command("exec", "-t", up.ID, "true")).Fails(t, "--tty", "/dev/tty", "--console-socket")
}

// TestTerminalWithRedirections: minirun finds a terminal on any standard descriptor, or as its
// controlling terminal; redirected input and output stay redirected, and the container's terminal
// gets the size of the one that was found.
func TestTerminalWithRedirections(t *testing.T) {
	const script = "read line; echo got $line; stty size; exit 3"
	running, _ := up(t)
	for _, verb := range []string{"run", "exec"} {
		for _, c := range []struct {
			name                  string
			stdin, stdout, stderr bool // whether each is a terminal
		}{
			{"input redirected", false, true, true},
			{"only standard error", false, false, true},
			{"everything redirected", false, false, false},
		} {
			t.Run(verb+" "+c.name, func(t *testing.T) {
				p := testbundle.NewPty(t)
				if err := p.Master.Resize(console.WinSize{Height: 33, Width: 101}); err != nil {
					t.Fatal(err)
				}
				b, args := running, []string{"exec", "-t", running.ID, "sh", "-c", script}
				if verb == "run" {
					b = testbundle.New(t, terminal, testbundle.Sh(script))
					b.Write()
					args = []string{"run", b.ID, b.Dir}
				}
				cmd := b.Command(args...)
				p.Attach(cmd)
				cmd.SysProcAttr.Setctty, cmd.SysProcAttr.Ctty = true, 3
				cmd.ExtraFiles = []*os.File{p.Slave}
				var out, errors bytes.Buffer
				cmd.Stdin = bytes.NewReader([]byte("hello\n"))
				if !c.stdout {
					cmd.Stdout = &out
				}
				if !c.stderr {
					cmd.Stderr = &errors
				}
				before := p.Termios()
				b.Start(cmd)
				if c.stdout {
					p.Expect("hello\r\ngot hello\r\n33 101\r\n")
				}
				exits(t, cmd, 3)
				if want := "hello\ngot hello\n33 101\n"; !c.stdout && out.String() != want {
					t.Errorf("the output is %q, want %q (%s)", out.String(), want, errors.String())
				}
				if p.Termios() != before {
					t.Error("the terminal is left in another mode")
				}
			})
		}
	}
}

// TestTerminalOutputWithoutReader: if the output of a container is not read, minirun still ends when
// a signal requests it.
func TestTerminalOutputWithoutReader(t *testing.T) {
	p := testbundle.NewPty(t)
	b := testbundle.New(t, terminal, testbundle.Sh("while :; do echo 0123456789012345678901234567890123456789012345678901234567890123456789; done"))
	b.Write()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := b.Command("run", b.ID, b.Dir)
	cmd.Stdin, cmd.Stdout = p.Slave, w
	b.Start(cmd)
	w.Close()
	if _, err := io.ReadFull(r, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	awaitFull(t, r)
	b.Minirun("kill", b.ID, "KILL").Exit(t, 0)
	awaitStatus(t, b, "stopped")
	if err := cmd.Process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	exits(t, cmd, 128+int(unix.SIGKILL))
	if _, err := os.Stat(filepath.Join(b.Root, b.ID)); err == nil {
		t.Error("the container is not deleted")
	}
}

// awaitFull waits until no more bytes are written to a pipe.
func awaitFull(t *testing.T, pipe *os.File) {
	t.Helper()
	last := -1
	for range 200 {
		n, err := unix.IoctlGetInt(int(pipe.Fd()), unix.TIOCINQ)
		if err != nil {
			t.Fatal(err)
		}
		if n == last && n > 0 {
			return
		}
		last = n
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal("the pipe does not fill up")
}
