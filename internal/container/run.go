package container

import (
	"errors"
	"fmt"

	"github.com/minirun/minirun/internal/container/observer"
	"github.com/minirun/minirun/internal/signals"
)

// RunOptions are what `run` adds to creating a container.
type RunOptions struct {
	Detach bool // return when the program has started
	Keep   bool // do not delete the container when it has exited

	Started func() // called, if not nil, when the program runs
}

// Run creates, starts, waits for and deletes a container, and returns how it ended.
func Run(o Options, how RunOptions) (Exit, error) {
	if how.Detach {
		return Exit{}, runDetached(o)
	}
	queue, err := signals.Catch()
	if err != nil {
		return Exit{}, err
	}
	c, err := create(o, purpose{starts: true, attends: true, signals: queue})
	if err != nil {
		return Exit{}, err
	}
	if err := c.startAndRunHooks(); err != nil {
		return Exit{}, err
	}
	c.notifier.Forward(c.Pid, o.Warn)
	if how.Started != nil {
		how.Started()
	}
	return c.attendAndDelete(how.Keep)
}

// attendAndDelete attends a container until it exits, and deletes it.
func (c *Container) attendAndDelete(keep bool) (Exit, error) {
	begin := c.BeginAction()
	status, err := c.Attend()
	if err != nil {
		return Exit{}, errors.Join(err, c.destroy())
	}
	exit := Exit{Status: status, Asked: c.Signals.PassedOn}
	if status != 0 && c.group != nil {
		exit.Memory = readMemoryEnd(c.group)
	}
	c.notifier.Finish(&c.Signals)
	c.Report(begin, observer.Action{
		Kind:   observer.ProgramExited,
		What:   fmt.Sprintf("the program exited with status %d", status),
		Why:    "minirun passed on signals and the terminal",
		Source: "process.args",
	})
	if keep {
		return exit, nil
	}
	begin = c.BeginAction()
	warnings, err := c.Delete()
	c.Report(begin, observer.Action{
		What: "delete the container: its cgroup and its state directory",
		Why:  "the kernel removed namespaces and mounts with its last process",
	})
	for _, w := range warnings {
		c.options.Warn(w)
	}
	return exit, err
}

func runDetached(o Options) error {
	c, err := create(o, purpose{starts: true})
	if err != nil {
		return err
	}
	if err := c.startAndRunHooks(); err != nil {
		return err
	}
	c.awaitReady()
	c.Close()
	return nil
}
