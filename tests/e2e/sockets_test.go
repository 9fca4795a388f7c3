package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/testbundle"
)

// receivedPid returns the process of a pidfd that a socket receives.
func receivedPid(t *testing.T, l *net.UnixListener, got chan<- string) {
	data, f := receive(t, l)
	defer f.Close()
	info, _ := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", f.Fd()))
	_, after, _ := strings.Cut(string(info), "\nPid:\t")
	pid, _, _ := strings.Cut(after, "\n")
	got <- string(data) + " " + pid
}

// TestPidFDSocket: create, run and exec send a pidfd of the process, in runc's format.
func TestPidFDSocket(t *testing.T) {
	b := testbundle.New(t, testbundle.Args("sleep", "1000"))
	pidFile := filepath.Join(b.Host, "pid")
	path, l := listen(t, b, "pidfd")
	check := func(word string, args ...string) {
		t.Helper()
		got := make(chan string, 1)
		go receivedPid(t, l, got)
		quiet(t, b.Command(args...))
		pid, err := os.ReadFile(pidFile)
		if err != nil {
			t.Fatal(err)
		}
		if text := <-got; text != word+" "+string(pid) {
			t.Errorf("%v: received %q, want the process %s", args, text, pid)
		}
	}
	b.Write()
	flags := []string{"--pidfd-socket", path, "--pid-file", pidFile}
	check("standard", append(append([]string{"create"}, flags...), b.ID, b.Dir)...)
	b.Minirun("delete", "--force", b.ID).Exit(t, 0)
	check("standard", append(append([]string{"run", "--detach"}, flags...), b.ID, b.Dir)...)
	check("setns", append(append([]string{"exec", "--detach"}, flags...), b.ID, "true")...)
	testbundle.Reap()
	b.Minirun("exec", "--pidfd-socket", "/no/such/socket", b.ID, "true").Fails(t, "--pidfd-socket", "/no/such/socket")
	b.Minirun("delete", "--force", b.ID).Exit(t, 0)
	b.Run("--pidfd-socket", "/no/such/socket").Fails(t, "--pidfd-socket", "/no/such/socket")
	b.Minirun("state", b.ID).Fails(t, "does not exist")
	testbundle.Reap()
}

// TestConsoleSocketMadeByHook: minirun connects to the console socket when the
// container is created, after the hooks.
func TestConsoleSocketMadeByHook(t *testing.T) {
	b := testbundle.New(t, terminal, testbundle.Args("sleep", "1000"))
	path, l := listen(t, b, "later")
	l.SetUnlinkOnClose(false)
	socket := filepath.Join(b.Host, "console")
	b.Spec.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{shellHook("ln " + path + " " + socket)}}
	got := make(chan *os.File, 1)
	go func() {
		_, f := receive(t, l)
		got <- f
	}()
	b.Detach("--console-socket", socket).Exit(t, 0)
	(<-got).Close()
	b.Minirun("delete", "--force", b.ID).Exit(t, 0)
	testbundle.Reap()
}

// stuck returns a socket with a full backlog on which no process calls accept.
func stuck(t *testing.T, b *testbundle.Bundle) string {
	t.Helper()
	path := filepath.Join(b.Host, "stuck")
	socket := func() int {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Close(fd) })
		return fd
	}
	fd := socket()
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if err := unix.Connect(socket(), &unix.SockaddrUnix{Name: path}); err != nil {
			return path
		}
	}
	t.Fatal("the backlog does not fill up")
	return ""
}

// TestSignalEndsWaitForSocket: a signal ends minirun while it waits for the peer of a socket, and
// nothing of the container is left.
func TestSignalEndsWaitForSocket(t *testing.T) {
	b := testbundle.New(t, terminal, testbundle.Args("sleep", "1000"))
	b.Spec.Hooks = &specs.Hooks{CreateContainer: []specs.Hook{shellHook("touch " + b.Host + "/created")}}
	b.Write()
	cmd := b.Command("run", "--console-socket", stuck(t, b), b.ID, b.Dir)
	b.Start(cmd)
	await(t, filepath.Join(b.Host, "created"))
	time.Sleep(200 * time.Millisecond) // now it is connecting
	if err := cmd.Process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	exits(t, cmd, 128+int(unix.SIGTERM))
	b.Minirun("state", b.ID).Fails(t, "does not exist")
}
