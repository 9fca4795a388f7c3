package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/minirun/minirun/internal/container/compile"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/container/wait"
	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/rootfs"
)

// This file reports to systemd when the program is ready, for units of Type=notify
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

const (
	notifyVariable = "NOTIFY_SOCKET"
	notifyDir      = "notify"      // in the state directory
	notifyMount    = "/run/notify" // in the container
	notifyName     = "notify.sock"
)

// barrierDeadline limits how long systemd may take to process messages.
const barrierDeadline = 30 * time.Second

// notifyDirectory returns the directory that is bound into the container.
func (o *Options) notifyDirectory() string { return filepath.Join(o.directory(), notifyDir) }

// addNotify adds the mount and the variable to the container. It comes after the
// mounts of config.json: one of them may cover /run.
func (c *Container) addNotify(in *compile.Inputs) {
	o, s := &c.options, c.spec
	if o.NotifySocket == "" {
		return
	}
	if !in.Rootfs.OnHost && !namespaces.Decide(s).Has(unix.CLONE_NEWNS) {
		o.ignoreNotify()
		return
	}
	number, kind := len(s.Mounts), in.Rootfs.SourceKind
	s.Mounts = append(s.Mounts, specs.Mount{
		Destination: notifyMount, Type: "bind", Source: o.notifyDirectory(), Options: []string{"bind", "nosuid", "noexec", "nodev", "ro"},
	})
	in.Rootfs.SourceKind = func(i int) rootfs.Kind {
		if i == number {
			return rootfs.Directory
		}
		return kind(i)
	}
	s.Process.Env = append(s.Process.Env, notifyVariable+"="+notifyMount+"/"+notifyName)
}

// ignoreNotify is for a container that mounts nothing.
func (o *Options) ignoreNotify() {
	o.Warn(notifyVariable + " has no effect: the container has no mount namespace to mount the socket in")
	o.NotifySocket = ""
}

// makeNotifyDirectory creates the directory that is bound into the container.
func (o *Options) makeNotifyDirectory() (dir string, err error) {
	dir = o.notifyDirectory()
	err = os.Mkdir(dir, 0o755)
	if err == nil {
		err = os.Chmod(dir, 0o755) // the umask
	}
	return dir, err
}

// makeNotify creates the directory, and the socket if this process starts the program.
func (c *Container) makeNotify() error {
	if c.options.NotifySocket == "" {
		return nil
	}
	dir, err := c.options.makeNotifyDirectory()
	if err == nil && c.purpose.starts {
		c.notify, err = listenNotify(dir, c.options.NotifySocket)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", notifyVariable, err)
	}
	return nil
}

// openNotify creates the socket for a container that another minirun created.
func (c *Container) openNotify() error {
	if c.options.NotifySocket == "" {
		return nil
	}
	if c.OnHost == nil && c.Namespaces&unix.CLONE_NEWNS == 0 {
		c.options.ignoreNotify()
		return nil
	}
	notify, err := listenNotify(c.options.notifyDirectory(), c.options.NotifySocket)
	if errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("%s: the container was created without it, so its program cannot report that it is ready\n"+
			"hint: set it for create too, or start with: env -u %s", notifyVariable, notifyVariable)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", notifyVariable, err)
	}
	c.notify = notify
	return nil
}

// A notifier is the socket that the program reports to.
type notifier struct {
	fd   int    // -1 for a restored container, which is ready
	host string // NOTIFY_SOCKET of minirun's caller
	stop int    // an eventfd: the container exited
	done int    // an eventfd: all pending messages are forwarded
	sent bool

	forwards bool // forward is running
}

// newNotifier creates a notifier without a socket.
func newNotifier(host string) (_ *notifier, err error) {
	n := &notifier{fd: -1, host: host, stop: -1, done: -1}
	for _, fd := range [2]*int{&n.stop, &n.done} {
		if *fd, err = unix.Eventfd(0, unix.EFD_CLOEXEC); err != nil {
			n.close()
			return nil, fmt.Errorf("eventfd: %w", err)
		}
	}
	return n, nil
}

// listenNotify creates the socket. Its path may be longer than a socket's address.
func listenNotify(dir, host string) (_ *notifier, err error) {
	at, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: dir, Err: err}
	}
	defer func() { _ = unix.Close(at) }()
	n, err := newNotifier(host)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			n.close()
		}
	}()
	if n.fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0); err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	path := "/proc/self/fd/" + strconv.Itoa(at) + "/" + notifyName
	_ = unix.Unlinkat(at, notifyName, 0) // left by a start that failed
	if err = unix.Bind(n.fd, &unix.SockaddrUnix{Name: path}); err != nil {
		return nil, fmt.Errorf("bind %s/%s: %w", dir, notifyName, err)
	}
	if err = unix.Fchmodat(at, notifyName, 0o777, 0); err != nil { // the program may be any user
		return nil, fmt.Errorf("chmod %s/%s: %w", dir, notifyName, err)
	}
	return n, nil
}

func (n *notifier) close() {
	for _, fd := range [3]int{n.fd, n.stop, n.done} {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
}

// ready receives the program's messages, and reports whether it is ready; in that case
// more may be left. Descriptors that come with a message are dropped, which ends the
// wait of sd_notify_barrier(3).
func (n *notifier) ready() bool {
	buf := make([]byte, 64<<10)
	for {
		size, _, err := unix.Recvfrom(n.fd, buf, 0)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return false
		case saysReady(string(buf[:size])):
			return true
		}
	}
}

// saysReady reports whether a message has the line READY=1.
func saysReady(message string) bool {
	for line := range strings.SplitSeq(message, "\n") {
		if line == "READY=1" {
			return true
		}
	}
	return false
}

// forward forwards messages until the container exits, which stop reports.
func (n *notifier) forward(pid int, warn func(any)) {
	defer wait.Wake(n.done)
	if n.fd < 0 {
		n.report(pid, warn)
		return
	}
	for {
		_, stopped, err := wait.ForInput(n.fd, n.stop)
		if err != nil {
			return
		}
		if n.ready() && !n.sent {
			n.sent = true
			n.report(pid, warn)
		}
		if stopped {
			return
		}
	}
}

// report is tellHost, with a failure as a warning.
func (n *notifier) report(pid int, warn func(any)) {
	if err := n.tellHost(pid); err != nil {
		warn(fmt.Sprintf("%s: %v", notifyVariable, err))
	}
}

// notifyRestored prepares to report that a restored container is ready.
func (c *Container) notifyRestored(socket string) (err error) {
	if socket == "" {
		return nil
	}
	if c.notify, err = newNotifier(socket); err != nil {
		return fmt.Errorf("%s: %w", notifyVariable, err)
	}
	return nil
}

// forwardNotify begins to forward while run attends the container.
func (c *Container) forwardNotify() {
	if c.notify != nil {
		c.notify.forwards = true
		go c.notify.forward(c.Pid, c.options.Warn)
	}
}

// closeNotify closes the socket. One that is read by forward is closed when minirun
// exits.
func (c *Container) closeNotify() {
	switch {
	case c.notify == nil:
	case c.notify.forwards:
		c.finishNotify()
	default:
		c.notify.close()
		c.notify = nil
	}
}

// finishNotify forwards the remaining messages, once the container exited.
func (c *Container) finishNotify() {
	if c.notify == nil {
		return
	}
	wait.Wake(c.notify.stop)
	_ = c.signals.ForReadable(c.notify.done) // a signal ends the wait
}

// awaitReady waits until the program is ready, or has exited, and reports it.
func (c *Container) awaitReady() {
	if c.notify == nil {
		return
	}
	defer c.closeNotify()
	if c.notify.fd < 0 {
		c.notify.report(c.Pid, c.options.Warn)
		return
	}
	for {
		_, ended, err := wait.ForInput(c.notify.fd, int(c.proc.PidFD.Fd()))
		if err != nil {
			return
		}
		if c.notify.ready() {
			c.notify.report(c.Pid, c.options.Warn)
			return
		}
		if ended {
			return
		}
	}
}

// tellHost reports to the caller's service manager that the container is ready, and
// waits until it has processed that: minirun's messages are only valid while minirun
// exists.
func (n *notifier) tellHost(pid int) error {
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
		if err = sendAll(fd, []byte(m.text), m.control, until, wait.Poll); err != nil {
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
