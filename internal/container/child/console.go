package child

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/container/record"
	"github.com/minirun/minirun/internal/container/terminal"
)

// TakeConsole takes the master of the container's terminal. If minirun stays, it connects
// its own terminal with it; otherwise the console socket gets it: see SendConsole.
func (c *Process) TakeConsole(fd int) error {
	master, err := c.Proc.Descriptor(fd, "console")
	if err != nil {
		return fmt.Errorf("config.json: process.terminal: %w", err)
	}
	c.Console = master
	if err := c.ConnectConsole(); err != nil {
		return fmt.Errorf("config.json: process.terminal: %w", err)
	}
	return nil
}

// ConnectConsole prepares the container's terminal for minirun's own, unless it is
// sent to a console socket.
func (c *Process) ConnectConsole() error {
	if c.Settings.ConsoleSocket != "" {
		return nil
	}
	return terminal.Connect(c.Console, c.Settings.Terminal)
}

// SendConsole sends the terminal to the console socket, if there is one. A container
// does so when it is created: createRuntime and createContainer hooks may fail before,
// or may create the socket.
func (c *Process) SendConsole() error {
	if c.Settings.ConsoleSocket == "" || c.Console == nil {
		return nil
	}
	if err := c.Signals.SendFile(c.Settings.ConsoleSocket, []byte("/dev/ptmx"), c.Console); err != nil {
		return fmt.Errorf("--console-socket: %w", err)
	}
	err := c.Console.Close()
	c.Console = nil
	return err
}

// TakeListener takes the listener of the process's filter.
func (c *Process) TakeListener(fd int) (err error) {
	if c.SeccompListener != nil {
		return errors.New("config.json: linux.seccomp: the new process has two listeners")
	}
	if c.SeccompListener, err = c.Proc.Descriptor(fd, "seccomp listener"); err != nil {
		return fmt.Errorf("config.json: linux.seccomp: %w", err)
	}
	return nil
}

// SendListenerTo sends the listener, if there is one, to the agent that will answer for
// it, with a description of its container (config-linux.md, "The Container Process
// State"). If the process will be cloned again, it is not the one that the agent must
// know: then the listener is kept until later.
func (c *Process) SendListenerTo(to *record.Listener, container *specs.State) error {
	if c.SeccompListener == nil || c.ClonedLast && !c.arrived {
		return nil
	}
	if to == nil {
		return errors.New("config.json: linux.seccomp: the new process has a listener, but no listenerPath is given")
	}
	defer func() { c.SeccompListener = nil }()
	defer c.SeccompListener.Close()
	state, err := json.Marshal(&specs.ContainerProcessState{
		Version: specs.Version, Fds: []string{specs.SeccompFdName}, Pid: c.Proc.Pid, Metadata: to.Metadata,
		State: *container,
	})
	if err != nil {
		return err
	}
	if err := c.Signals.SendFile(to.Path, state, c.SeccompListener); err != nil {
		return fmt.Errorf("config.json: linux.seccomp.listenerPath: %w", err)
	}
	return nil
}
