package container

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/minirun/minirun/internal/container/record"

	"github.com/minirun/minirun/internal/container/terminal"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// console takes the master of the container's terminal. If minirun stays, it connects
// its own terminal with it; otherwise the console socket gets it: see sendConsole.
func (c *child) console(fd int) error {
	master, err := c.proc.Descriptor(fd, "console")
	if err != nil {
		return fmt.Errorf("config.json: process.terminal: %w", err)
	}
	c.Console = master
	if err := c.connectConsole(); err != nil {
		return fmt.Errorf("config.json: process.terminal: %w", err)
	}
	return nil
}

// connectConsole prepares the container's terminal for minirun's own, unless it is
// sent to a console socket.
func (c *child) connectConsole() error {
	if c.settings.ConsoleSocket != "" {
		return nil
	}
	return terminal.Connect(c.Console, c.settings.Terminal)
}

// sendConsole sends the terminal to the console socket, if there is one. A container
// does so when it is created: createRuntime and createContainer hooks may fail before,
// or may create the socket.
func (c *child) sendConsole() error {
	if c.settings.ConsoleSocket == "" || c.Console == nil {
		return nil
	}
	if err := c.signals.SendFile(c.settings.ConsoleSocket, []byte("/dev/ptmx"), c.Console); err != nil {
		return fmt.Errorf("--console-socket: %w", err)
	}
	err := c.Console.Close()
	c.Console = nil
	return err
}

// findTerminal finds the terminal that is connected with the container's.
func (c *Container) findTerminal() (err error) {
	if !c.spec.Process.Terminal || c.options.ConsoleSocket != "" {
		return nil
	}
	if !c.purpose.attends {
		return noTerminalKeeper
	}
	if c.settings.Terminal, err = terminal.FindCallers(); err != nil {
		return fmt.Errorf("config.json: process.terminal: %w\nhint: run it in a terminal, give --console-socket, or set terminal to false", err)
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

// handListener sends the listener, if there is one, to the agent that will answer for
// it, with a description of its container (config-linux.md, "The Container Process
// State"). If the process will be cloned again, it is not the one that the agent must
// know: then the listener is kept until later.
func (c *child) handListener(to *record.Listener, container *specs.State) error {
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
	if err := c.signals.SendFile(to.Path, state, c.listener); err != nil {
		return fmt.Errorf("config.json: linux.seccomp.listenerPath: %w", err)
	}
	return nil
}

func (c *Container) sendListener() error {
	return c.handListener(c.Listener, c.OCIState(specs.StateCreating, c.Pid))
}

func (e *execution) sendListener() error {
	return e.handListener(e.agent(), e.record.OCIState(specs.StateRunning, e.record.Pid))
}

// agent returns the destination of the filter's listener, nil if there is none.
func (e *execution) agent() *record.Listener {
	p := e.spec.Linux.Seccomp
	if p == nil || p.ListenerPath == "" {
		return nil
	}
	return &record.Listener{Path: p.ListenerPath, Metadata: p.ListenerMetadata}
}
