// Package notify reports to systemd when the program of a container is ready, for units of Type=notify
// (sd_notify(3)):
//
//	create, run: bind STATE/ID/notify to /run/notify, set NOTIFY_SOCKET in process.env
//	start, run:  create the socket there, forward messages, as runc does:
//
//	program ── READY=1, … ──▶ /run/notify/notify.sock ── minirun ──▶ READY=1
//	                                                                 MAINPID=the container's first process
//	                                                                 BARRIER=1, and a descriptor
//
// Of the program's messages only READY=1 is trusted: with the others it could name
// another main process, or make systemd keep descriptors. A detached run and start
// wait for it; run stays anyway, and receives all messages to the end, since systemd's
// queue would take them too.
//
// A container that was created with the directory has it again when it is restored,
// empty: its program was ready before the checkpoint, so restore itself reports that.
package notify

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/container/wait"
)

// Variable names the socket to report to, of minirun's caller and of the program.
const Variable = "NOTIFY_SOCKET"

const (
	mountPoint = "/run/notify" // in the container
	socketName = "notify.sock"
)

// barrierDeadline limits how long systemd may take to process messages.
const barrierDeadline = 30 * time.Second

// Mount returns the mount of the directory with the socket in the container.
func Mount(dir string) specs.Mount {
	options := []string{"bind", "nosuid", "noexec", "nodev", "ro"}
	return specs.Mount{Destination: mountPoint, Type: "bind", Source: dir, Options: options}
}

// Environment returns the variable for the program.
func Environment() string { return Variable + "=" + mountPoint + "/" + socketName }

// MakeDirectory creates the directory that is bound into the container.
func MakeDirectory(dir string) error {
	err := os.Mkdir(dir, 0o755)
	if err == nil {
		err = os.Chmod(dir, 0o755) // the umask
	}
	return err
}

// A Notifier is the socket that the program reports to.
type Notifier struct {
	fd   int    // -1 for a restored container, which is ready
	host string // NOTIFY_SOCKET of minirun's caller
	stop int    // an eventfd: the container exited
	done int    // an eventfd: all pending messages are forwarded
	sent bool   // that the program is ready

	forwards bool // forward is running
}

// New creates a notifier without a socket.
func New(host string) (_ *Notifier, err error) {
	n := &Notifier{fd: -1, host: host, stop: -1, done: -1}
	for _, fd := range [2]*int{&n.stop, &n.done} {
		if *fd, err = unix.Eventfd(0, unix.EFD_CLOEXEC); err != nil {
			n.closeDescriptors()
			return nil, fmt.Errorf("eventfd: %w", err)
		}
	}
	return n, nil
}

// Listen creates the socket. Its path may be longer than a socket's address.
func Listen(dir, host string) (_ *Notifier, err error) {
	at, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: dir, Err: err}
	}
	defer func() { _ = unix.Close(at) }()
	n, err := New(host)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			n.closeDescriptors()
		}
	}()
	if n.fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0); err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	path := "/proc/self/fd/" + strconv.Itoa(at) + "/" + socketName
	_ = unix.Unlinkat(at, socketName, 0) // left by a start that failed
	if err = unix.Bind(n.fd, &unix.SockaddrUnix{Name: path}); err != nil {
		return nil, fmt.Errorf("bind %s/%s: %w", dir, socketName, err)
	}
	if err = unix.Fchmodat(at, socketName, 0o777, 0); err != nil { // the program may be any user
		return nil, fmt.Errorf("chmod %s/%s: %w", dir, socketName, err)
	}
	return n, nil
}

func (n *Notifier) closeDescriptors() {
	for _, fd := range [3]int{n.fd, n.stop, n.done} {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
}

// receiveReady receives the program's messages, and reports whether it is ready; in that case
// more may be left. Descriptors that come with a message are dropped, which ends the
// wait of sd_notify_barrier(3).
func (n *Notifier) receiveReady() bool {
	buf := make([]byte, 64<<10)
	for {
		size, _, err := unix.Recvfrom(n.fd, buf, 0)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return false
		case isReady(string(buf[:size])):
			return true
		}
	}
}

// isReady reports whether a message has the line READY=1.
func isReady(message string) bool {
	for line := range strings.SplitSeq(message, "\n") {
		if line == "READY=1" {
			return true
		}
	}
	return false
}

// forward forwards messages until the container exits, which stop reports.
func (n *Notifier) forward(pid int, warn func(any)) {
	defer wait.Wake(n.done)
	if n.fd < 0 {
		n.Report(pid, warn)
		return
	}
	for {
		_, stopped, err := wait.ForInput(n.fd, n.stop)
		if err != nil {
			return
		}
		if n.receiveReady() && !n.sent {
			n.sent = true
			n.Report(pid, warn)
		}
		if stopped {
			return
		}
	}
}

// Report reports that the program is ready; a failure is a warning.
func (n *Notifier) Report(pid int, warn func(any)) {
	if err := n.sendReady(pid); err != nil {
		warn(fmt.Sprintf("%s: %v", Variable, err))
	}
}

// Forward begins to forward the program's messages, while run attends the container.
func (n *Notifier) Forward(pid int, warn func(any)) {
	if n != nil {
		n.forwards = true
		go n.forward(pid, warn)
	}
}

// Finish forwards the remaining messages, once the container exited.
func (n *Notifier) Finish(signals *wait.Signals) {
	if n != nil {
		wait.Wake(n.stop)
		_ = signals.ForReadable(n.done) // a signal ends the wait
	}
}

// Close closes the socket. One that is read by forward is closed when minirun exits.
func (n *Notifier) Close(signals *wait.Signals) {
	switch {
	case n == nil:
	case n.forwards:
		n.Finish(signals)
	default:
		n.closeDescriptors()
	}
}

// AwaitReady waits until the program is ready, or the process of pidfd has exited, and
// reports it.
func (n *Notifier) AwaitReady(pidfd, pid int, warn func(any)) {
	if n == nil {
		return
	}
	defer n.closeDescriptors()
	if n.fd < 0 {
		n.Report(pid, warn)
		return
	}
	for {
		_, ended, err := wait.ForInput(n.fd, pidfd)
		if err != nil {
			return
		}
		if n.receiveReady() {
			n.Report(pid, warn)
			return
		}
		if ended {
			return
		}
	}
}

// sendReady reports to the caller's service manager that the container is ready, and
// waits until it has processed that: minirun's messages are only valid while minirun
// exists.
func (n *Notifier) sendReady(pid int) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	defer func() { _ = unix.Close(fd) }()
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: n.host}); err != nil {
		return fmt.Errorf("connect to %s: %w", n.host, err)
	}
	var barrier [2]int
	if err := unix.Pipe2(barrier[:], unix.O_CLOEXEC); err != nil {
		return fmt.Errorf("pipe: %w", err)
	}
	defer func() { _ = unix.Close(barrier[0]) }()
	until := time.Now().Add(wait.SendLimit)
	for _, m := range []struct {
		text    string
		control []byte
	}{
		{"READY=1\n", nil}, {"MAINPID=" + strconv.Itoa(pid) + "\n", nil}, {"BARRIER=1", unix.UnixRights(barrier[1])},
	} {
		if err = wait.Send(fd, []byte(m.text), m.control, until, wait.Poll); err != nil {
			err = fmt.Errorf("send to %s: %w", n.host, err)
			break
		}
	}
	_ = unix.Close(barrier[1])
	if err == nil {
		awaitClosed(barrier[0])
	}
	return err
}

// awaitClosed waits until no process has the other end of a pipe, at most for
// barrierDeadline.
func awaitClosed(pipe int) {
	for until := time.Now().Add(barrierDeadline); time.Now().Before(until); {
		fds := []unix.PollFd{{Fd: int32(pipe)}}
		if err := wait.Poll(fds, time.Until(until)); err != nil || fds[0].Revents != 0 {
			return
		}
	}
}
