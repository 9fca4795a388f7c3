package e2e

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/containerd/console"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/testbundle"
)

func terminal(s *specs.Spec) { s.Process.Terminal = true }

func TestTerminal(t *testing.T) {
	p := testbundle.NewPty(t)
	if err := p.Master.Resize(console.WinSize{Height: 30, Width: 100}); err != nil {
		t.Fatal(err)
	}
	b := testbundle.New(t, terminal, testbundle.Sh(`
		tty; stty size; cut -d' ' -f7 /proc/self/stat; readlink /proc/self/fd/0; stat -c '%t:%T' /dev/console
		trap 'echo resized; stty size' WINCH
		echo ready; read line; echo "got $line"; read line; echo "then $line"`))
	before := p.Termios()
	b.Write()
	cmd := b.Command("run", b.ID, b.Dir)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = p.Slave, p.Slave, p.Slave
	b.Start(cmd)
	p.Expect("/dev/pts/0\r\n30 100\r\n")
	p.Expect("/dev/pts/0\r\n")
	p.Expect("ready\r\n")
	if now := p.Termios(); now.Lflag&(unix.ICANON|unix.ECHO|unix.ISIG) != 0 {
		t.Errorf("minirun's terminal is not raw: lflag %#x", now.Lflag)
	}
	if _, err := p.Master.Write([]byte("typed\r")); err != nil {
		t.Fatal(err)
	}
	p.Expect("got typed\r\n")
	if err := p.Master.Resize(console.WinSize{Height: 11, Width: 22}); err != nil {
		t.Fatal(err)
	}
	// The test's pty is not the controlling terminal of any process, so the kernel does not send the
	// signal.
	if err := cmd.Process.Signal(unix.SIGWINCH); err != nil {
		t.Fatal(err)
	}
	// busybox's read continues after the trap; its output follows the next line.
	time.Sleep(100 * time.Millisecond)
	if _, err := p.Master.Write([]byte("more\r")); err != nil {
		t.Fatal(err)
	}
	p.Expect("11 22\r\n")
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if after := p.Termios(); after != before {
		t.Errorf("the terminal was %+v and is left as %+v", before, after)
	}
}

// ^C typed on minirun's terminal reaches the container's foreground process, and the terminal is
// restored even if a signal kills the program.
func TestTerminalInterrupt(t *testing.T) {
	p := testbundle.NewPty(t)
	b := testbundle.New(t, terminal, testbundle.Sh("trap 'echo interrupted; exit 9' INT; echo ready; while :; do sleep 0.05; done"))
	before := p.Termios()
	b.Write()
	cmd := b.Command("run", b.ID, b.Dir)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = p.Slave, p.Slave, p.Slave
	b.Start(cmd)
	p.Expect("ready\r\n")
	if _, err := p.Master.Write([]byte{3}); err != nil {
		t.Fatal(err)
	}
	p.Expect("interrupted\r\n")
	_ = cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != 9 {
		t.Errorf("exit status %d, want 9", got)
	}
	if p.Termios() != before {
		t.Error("the terminal is not restored")
	}
}

// A failure also leaves the terminal as it was.
func TestTerminalFailure(t *testing.T) {
	p := testbundle.NewPty(t)
	b := testbundle.New(t, terminal, testbundle.Args("/no/such/program"))
	before := p.Termios()
	b.Write()
	cmd := b.Command("run", b.ID, b.Dir)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = p.Slave, p.Slave, p.Slave
	_ = cmd.Run()
	if cmd.ProcessState.ExitCode() != 1 || p.Termios() != before {
		t.Errorf("exit status %d, terminal restored: %v", cmd.ProcessState.ExitCode(), p.Termios() == before)
	}
}

// Output that is still in the pty when the program ends is not lost.
func TestTerminalOutputIsWhole(t *testing.T) {
	b := testbundle.New(t, terminal, testbundle.Sh("seq 1 20000"))
	r := b.RunTerminal()
	r.Exit(t, 0)
	if n := strings.Count(r.Stdout, "\n"); n != 20000 {
		t.Errorf("%d lines arrived of 20000", n)
	}
}

// The size is set when the program starts: that of minirun's terminal, or with a console socket that
// of config.json.
func TestConsoleSize(t *testing.T) {
	b := testbundle.New(t, terminal, testbundle.Sh("stty size; exec sleep 1000"), func(s *specs.Spec) {
		s.Process.ConsoleSize = &specs.Box{Height: 12, Width: 34}
	})
	path, l := listen(t, b, "console")
	got := make(chan *os.File, 1)
	go func() {
		_, f := receive(t, l)
		got <- f
	}()
	b.Detach("--console-socket", path).Exit(t, 0)
	f := <-got
	defer f.Close()
	buf := make([]byte, 100)
	n, _ := f.Read(buf)
	if string(buf[:n]) != "12 34\r\n" {
		t.Errorf("the size is %q", buf[:n])
	}
	b.Minirun("delete", "--force", b.ID).Exit(t, 0)
	_, _ = unix.Wait4(-1, nil, unix.WNOHANG, nil)
}

func TestTerminalOfUser(t *testing.T) {
	b := testbundle.New(t, terminal, user(1000, 1000), testbundle.Sh("echo x > /dev/tty && echo y > /dev/console; stat -c %u $(tty)"))
	b.RunTerminal().Prints(t, "x\ny\n1000")
}

func TestTerminalInUserNamespace(t *testing.T) {
	b := testbundle.New(t, terminal, userns, testbundle.Sh("tty; echo x > /dev/console"))
	b.RunTerminal().Prints(t, "/dev/pts/0\nx")
}

// receive receives one descriptor from a console or seccomp socket.
func receive(t *testing.T, l *net.UnixListener) (data []byte, f *os.File) {
	t.Helper()
	_ = l.SetDeadline(time.Now().Add(20 * time.Second))
	conn, err := l.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	data, oob := make([]byte, 64<<10), make([]byte, 128)
	n, oobn, _, _, err := conn.ReadMsgUnix(data, oob)
	if err != nil {
		t.Fatal(err)
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil || len(messages) != 1 {
		t.Fatalf("%d control messages, %v", len(messages), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		t.Fatalf("descriptors %v, %v", fds, err)
	}
	return data[:n], os.NewFile(uintptr(fds[0]), "received")
}

func listen(t *testing.T, b *testbundle.Bundle, name string) (string, *net.UnixListener) {
	t.Helper()
	path := filepath.Join(b.Host, name)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return path, l
}

func TestConsoleSocket(t *testing.T) {
	b := testbundle.New(t, terminal, testbundle.Sh("echo hello; read x; echo got $x; exec sleep 1000"))
	path, l := listen(t, b, "console")
	type result struct {
		data []byte
		f    *os.File
	}
	got := make(chan result, 1)
	go func() {
		data, f := receive(t, l)
		got <- result{data, f}
	}()
	b.Detach("--console-socket", path).Exit(t, 0)
	r := <-got
	defer r.f.Close()
	if len(r.data) == 0 {
		t.Error("no bytes came with the descriptor")
	}
	buf := make([]byte, len("hello\r\n"))
	if n, _ := io.ReadFull(r.f, buf); string(buf) != "hello\r\n" { // a slow machine delivers it in two parts
		t.Errorf("the console says %q", buf[:n])
	}
	b.Minirun("delete", "--force", b.ID).Exit(t, 0)
	_, _ = unix.Wait4(-1, nil, unix.WNOHANG, nil)
}

func TestConsoleErrors(t *testing.T) {
	b := testbundle.New(t, terminal)
	b.Run("--console-socket", "/no/such/socket").Fails(t, "--console-socket", "/no/such/socket")
	b.Detach().Fails(t, "console-socket")
	b.Spec.Process.Terminal = false
	b.Run("--console-socket", "/no/such/socket").Fails(t, "process.terminal")
}
