package container

import (
	"encoding/json"
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

// seccompListener hands the listener of the container's filter to the agent
// that will answer for it.
func (c *Container) seccompListener(fd int) error {
	return c.handListener(fd, c.Listener, c.state(specs.StateCreating, c.Pid))
}

// handListener sends the listener of the process's filter, and what it belongs
// to (config-linux.md, "The Container Process State").
func (c *child) handListener(fd int, to *Listener, container *specs.State) error {
	listener, err := c.proc.Descriptor(fd, "seccomp listener")
	if err != nil {
		return fmt.Errorf("config.json: linux.seccomp: %w", err)
	}
	defer listener.Close()
	state, err := json.Marshal(&specs.ContainerProcessState{
		Version: specs.Version, Fds: []string{specs.SeccompFdName}, Pid: c.proc.Pid, Metadata: to.Metadata, State: *container,
	})
	if err != nil {
		return err
	}
	if err := sendFile(to.Path, state, listener); err != nil {
		return fmt.Errorf("config.json: linux.seccomp.listenerPath: %w", err)
	}
	return nil
}
