package images

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/containerd/console"
	docker "github.com/moby/docker-image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/testbundle"
)

// line returns a command of minirun for the shell of a test's terminal.
func (s *store) line(args ...string) string {
	return "'" + strings.Join(s.Command(args...).Args, "' '") + "'"
}

// TestAttachToTerminal: a detached container with -it keeps its terminal: attach types into it, sets its
// size, leaves it running with the detach keys, and exits with its status.
func TestAttachToTerminal(t *testing.T) {
	p := testbundle.NewPty(t)
	s := loaded(t, docker.DockerOCIImageConfig{})
	name := testbundle.Prefix + "attach"
	s.Do("run", "-dit", "--name", name, "busybox", "sh", "-c", `trap 'echo size $(stty size)' WINCH; while :; do if read x; then echo got $x; [ "$x" = end ] && exit 7; fi; done`)
	if st, err := os.Stat(filepath.Join(s.StoreDir, "containers", name, "attach")); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the socket: %v, %v", st, err)
	}
	if err := p.Master.Resize(console.WinSize{Height: 21, Width: 77}); err != nil {
		t.Fatal(err)
	}
	p.StartShell(t, s.Command().Env...)
	before := p.Termios()
	attach := s.line("attach", name)
	p.Type(attach + "\n")
	p.Expect("size 21 77")
	p.Type("one\r")
	p.Expect("got one")
	p.Type("\x10\x11")
	p.Expect("detached from " + name)
	p.ExpectPrompt()
	if p.Termios() != before {
		t.Error("the terminal's settings are not restored after detaching")
	}
	p.Type(attach + " --detach-keys=ctrl-x,y &\n")
	p.Expect("Stopped")
	p.Type("fg\n")
	p.Type("two\x10\r")
	p.Expect("got two\x10")
	if err := p.Master.Resize(console.WinSize{Height: 9, Width: 33}); err != nil {
		t.Fatal(err)
	}
	p.Expect("size 9 33")
	p.Type("\x18y")
	p.Expect("detached from " + name)
	p.ExpectPrompt()
	p.Type(attach + "; echo status $?\n")
	p.Type("end\r")
	p.Expect("got end")
	p.Expect("status 7")
	p.ExpectPrompt()
	if p.Termios() != before {
		t.Error("the terminal's settings are not restored after the end")
	}
	if log := s.Do("logs", name); !strings.Contains(log, "got one") || !strings.Contains(log, "got end") {
		t.Errorf("the log is %q", log)
	}
	s.Minirun("attach", name).Fails(t, "cannot attach", "not running in the background", "minirun start "+name)
}

// TestAttachToPipes: without a terminal, several clients see standard output and standard error, input of
// each reaches a container with -i, and signals are passed on.
func TestAttachToPipes(t *testing.T) {
	testbundle.Need(t)
	s := loaded(t, docker.DockerOCIImageConfig{})
	name := testbundle.Prefix + "pipes"
	s.Do("run", "-d", "-i", "--name", name, "busybox", "sh", "-c", `trap 'echo terminated; exit 9' TERM; while :; do if read x; then echo out $x; echo err $x >&2; fi; done`)
	type client struct {
		cmd      *exec.Cmd
		in       io.WriteCloser
		out, err lockedBuffer
	}
	var clients [3]*client
	for n := range clients {
		c := &client{cmd: s.Command("attach", name)}
		in, err := c.cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		c.in, c.cmd.Stdout, c.cmd.Stderr = in, &c.out, &c.err
		s.Start(c.cmd)
		clients[n] = c
		await(t, func() bool { // it has been attached
			_, _ = io.WriteString(c.in, "ping\n")
			return strings.Contains(c.out.String(), "out ping")
		})
	}
	_, _ = io.WriteString(clients[1].in, "from the second\n")
	for _, c := range clients {
		await(t, func() bool {
			return strings.Contains(c.out.String(), "out from the second\n") && strings.Contains(c.err.String(), "err from the second\n")
		})
	}
	clients[1].in.Close() // the others still write
	_, _ = io.WriteString(clients[0].in, "still open\n")
	await(t, func() bool { return strings.Contains(clients[2].out.String(), "out still open\n") })
	leaving := s.Command("attach", "--no-stdin", "--sig-proxy=false", name)
	s.Start(leaving)
	await(t, func() bool {
		_ = leaving.Process.Signal(unix.SIGTERM)
		return hasExited(leaving.Process.Pid)
	})
	_ = leaving.Wait()
	if err := clients[0].cmd.Process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for _, c := range clients {
		_ = c.cmd.Wait()
		if status := c.cmd.ProcessState.ExitCode(); status != 9 || !strings.HasSuffix(c.out.String(), "terminated\n") {
			t.Errorf("status %d, output %q", status, c.out.String())
		}
	}
}

// TestAttachDoesNotStopContainer: a client that does not read its output is disconnected.
func TestAttachDoesNotStopContainer(t *testing.T) {
	testbundle.Need(t)
	s := loaded(t, docker.DockerOCIImageConfig{})
	name := testbundle.Prefix + "slow"
	s.Do("run", "-d", "--name", name, "busybox", "sh", "-c", "while [ ! -e /go ]; do sleep 0.01; done; seq 1 2000000; echo done > /done; sleep 1000")
	cmd := s.Command("attach", name)
	r, w, err := os.Pipe() // never read
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd.Stdout = w
	s.Start(cmd)
	w.Close()
	time.Sleep(200 * time.Millisecond) // until it is attached; earlier it would only miss output
	s.Do("exec", name, "touch", "/go")
	await(t, func() bool { return s.Minirun("exec", name, "test", "-e", "/done").Status == 0 })
	s.Do("rm", "-f", name)
}

// TestAttachErrors: mistakes are reported.
func TestAttachErrors(t *testing.T) {
	testbundle.Need(t)
	s := newStore(t)
	s.Minirun("attach", "no-such").Fails(t, "no-such")
	s.Minirun("attach", "--detach-keys", "ctrl-1", "x").Fails(t, "--detach-keys", "ctrl-1")
	s = loaded(t, docker.DockerOCIImageConfig{})
	name := testbundle.Prefix + "keyless"
	s.Do("run", "-dit", "--name", name, "busybox", "sleep", "1000")
	s.Minirun("attach", name).Fails(t, "standard input is not one", "--no-stdin")
	s.Do("rm", "-f", name)
}

// hasExited reports whether a child of this process has exited, and leaves it as it is.
func hasExited(pid int) bool {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_PID, pid, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	return err == nil && info.Signo != 0
}

// await waits for a condition.
func await(t *testing.T, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(hang); !condition(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not come")
		}
	}
}

// A lockedBuffer is written by one goroutine and read by another.
type lockedBuffer struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

func (b *lockedBuffer) Write(data []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.text.Write(data)
}

func (b *lockedBuffer) String() string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.text.String()
}

// TestRunInit: --init makes PID 1 an init, also in the background and with a terminal.
func TestRunInit(t *testing.T) {
	s := loaded(t, docker.DockerOCIImageConfig{})
	if got := s.Do("run", "--rm", "--init", "--name", name("init"), "busybox", "sh", "-c", "cat /proc/1/comm; echo $$ $PPID"); got != "init\n2 1" {
		t.Errorf("it is %q", got)
	}
	s.Minirun("run", "--rm", "--init", "--name", name("init"), "busybox", "sh", "-c", "exit 9").Exit(t, 9)
	s.Do("run", "-dit", "--init", "--name", name("init"), "busybox", "sleep", "1000")
	if got := s.Do("exec", name("init"), "cat", "/proc/1/comm"); got != "init" {
		t.Errorf("PID 1 is %q", got)
	}
	s.Do("stop", "-t", "1000", name("init")) // SIGTERM ends it
	s.Do("rm", name("init"))
}

// TestAttachToRemovedContainer: attach returns the status of a container that is removed when it exits.
func TestAttachToRemovedContainer(t *testing.T) {
	s := loaded(t, docker.DockerOCIImageConfig{})
	s.Do("run", "-d", "-i", "--rm", "--name", name("removed"), "busybox", "sh", "-c", "read x; echo last $x; exit 6")
	cmd := s.Command("attach", name("removed"))
	var out bytes.Buffer
	cmd.Stdin, cmd.Stdout = strings.NewReader("line\n"), &out
	_ = cmd.Run()
	if status := cmd.ProcessState.ExitCode(); status != 6 || out.String() != "last line\n" {
		t.Errorf("status %d, output %q", status, out.String())
	}
}
