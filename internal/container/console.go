package container

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/containerd/console"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// console takes the master of the container's terminal: for the console
// socket if one was given, for minirun's own terminal if not.
func (c *child) console(fd int) error {
	master, err := c.proc.Descriptor(fd, "console")
	if err != nil {
		return fmt.Errorf("config.json: process.terminal: %w", err)
	}
	if c.options.ConsoleSocket == "" {
		c.Console = master
		// minirun's own terminal adds the carriage returns; added by both, they
		// would come twice.
		if err := console.ClearONLCR(master.Fd()); err != nil {
			return fmt.Errorf("config.json: process.terminal: %w", err)
		}
		// Now, and not when the terminal is relayed: the program may be faster.
		if size, err := unix.IoctlGetWinsize(int(os.Stdin.Fd()), unix.TIOCGWINSZ); err == nil {
			return unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, size)
		}
		return nil
	}
	defer master.Close()
	if err := sendFile(c.options.ConsoleSocket, []byte("/dev/ptmx"), master); err != nil {
		return fmt.Errorf("--console-socket: %w", err)
	}
	return nil
}

// sendSeconds bounds how long the other side of a socket may keep us waiting.
const sendSeconds = 10

// sendFile connects to a Unix socket and sends data with a descriptor.
func sendFile(socket string, data []byte, f *os.File) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	// Who listens may be stuck, with no room left for us to wait in.
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &unix.Timeval{Sec: sendSeconds}); err != nil {
		return err
	}
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: socket}); err != nil {
		return fmt.Errorf("connect to %s: %w", socket, err)
	}
	if err := unix.Sendmsg(fd, data, unix.UnixRights(int(f.Fd())), nil, 0); err != nil {
		return fmt.Errorf("send a descriptor to %s: %w", socket, err)
	}
	return nil
}

// takeListener takes the listener of the process's filter.
func (c *child) takeListener(fd int) (err error) {
	if c.listener != nil {
		return errors.New("config.json: linux.seccomp: the new process has two listeners")
	}
	if c.listener, err = c.proc.Descriptor(fd, "seccomp listener"); err != nil {
		return fmt.Errorf("config.json: linux.seccomp: %w", err)
	}
	return nil
}

// handListener sends the listener, if there is one, to the agent that will answer
// for it, with what it belongs to (config-linux.md, "The Container Process
// State"). A process that will be cloned once more is not the one that the agent
// is to know: then the listener waits.
func (c *child) handListener(to *Listener, container *specs.State) error {
	if c.listener == nil || c.clonedLast && !c.arrived {
		return nil
	}
	if to == nil {
		return errors.New("config.json: linux.seccomp: the new process has a listener, but no listenerPath is given")
	}
	defer func() { c.listener = nil }()
	defer c.listener.Close()
	state, err := json.Marshal(&specs.ContainerProcessState{
		Version: specs.Version, Fds: []string{specs.SeccompFdName}, Pid: c.proc.Pid, Metadata: to.Metadata, State: *container,
	})
	if err != nil {
		return err
	}
	if err := sendFile(to.Path, state, c.listener); err != nil {
		return fmt.Errorf("config.json: linux.seccomp.listenerPath: %w", err)
	}
	return nil
}

func (c *Container) sendListener() error {
	return c.handListener(c.Listener, c.state(specs.StateCreating, c.Pid))
}

func (e *execution) sendListener() error {
	return e.handListener(e.agent(), e.record.state(specs.StateRunning, e.record.Pid))
}

// agent is where the listener of the filter goes, nil if there is none.
func (e *execution) agent() *Listener {
	p := e.spec.Linux.Seccomp
	if p == nil || p.ListenerPath == "" {
		return nil
	}
	return &Listener{p.ListenerPath, p.ListenerMetadata}
}
