package container

import (
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/container/terminal"
)

// findTerminal finds the terminal that is connected with the container's.
func (c *Container) findTerminal() (err error) {
	if !c.Spec.Process.Terminal || c.options.ConsoleSocket != "" {
		return nil
	}
	if !c.purpose.attends {
		return errNoTerminalHolder
	}
	if c.Settings.Terminal, err = terminal.FindCallers(); err != nil {
		return fmt.Errorf("config.json: process.terminal: %w\nhint: run it in a terminal, give --console-socket, or "+
			"set terminal to false", err)
	}
	return nil
}

func (c *Container) sendListener() error {
	return c.SendListenerTo(c.Listener, c.OCIState(specs.StateCreating, c.Pid))
}
