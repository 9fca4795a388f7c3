package container

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/container/terminal"
	"github.com/minirun/minirun/internal/container/wait"
	"github.com/minirun/minirun/internal/signals"
)

// RunOptions are what `run` adds to creating a container.
type RunOptions struct {
	Detach bool // return when the program has started
	Keep   bool // do not delete the container when it has exited

	Started func() // called, if not nil, when the program runs
}

// Run creates, starts, waits for and deletes a container, and returns its exit status:
// its own, or 128 plus the number of the signal that ended it.
func Run(o Options, how RunOptions) (int, error) {
	if how.Detach {
		return 0, runDetached(o)
	}
	queue, err := signals.Catch()
	if err != nil {
		return 0, err
	}
	c, err := create(o, purpose{starts: true, attends: true, signals: queue})
	if err != nil {
		return 0, err
	}
	if err := c.start(); err != nil {
		return 0, err
	}
	c.notifier.Forward(c.Pid, o.Warn)
	if how.Started != nil {
		how.Started()
	}
	return c.accompany(how.Keep)
}

// accompany attends a container until it exits, and deletes it.
func (c *Container) accompany(keep bool) (int, error) {
	begin := c.began()
	status, err := c.attend()
	if err != nil {
		return 0, errors.Join(err, c.destroy())
	}
	c.notifier.Finish(&c.signals)
	c.did(begin, fmt.Sprintf(Ended+" with status %d", status), "minirun passed on signals and the terminal", "process.args")
	if keep {
		return status, nil
	}
	begin = c.began()
	warnings, err := c.Delete()
	c.did(begin, "delete the container: its cgroup and its state directory", "the kernel removed namespaces and mounts with its last process", "")
	for _, w := range warnings {
		c.options.Warn(w)
	}
	return status, err
}

func runDetached(o Options) error {
	c, err := create(o, purpose{starts: true})
	if err != nil {
		return err
	}
	if err := c.start(); err != nil {
		return err
	}
	c.awaitReady()
	c.Close()
	return nil
}

// attend forwards signals and the terminal until the container exits.
func (c *child) attend() (int, error) {
	var relay *terminal.Relay
	if c.Console != nil {
		var err error
		if relay, err = terminal.NewRelay(c.Console, c.settings.Terminal); err != nil {
			return 0, err
		}
		defer relay.Restore()
	}
	c.pipes.CopyInput()
	if err := c.forwardUntilExit(relay); err != nil {
		return 0, err
	}
	status, err := c.Wait()
	if relay != nil {
		// All output must be written, unless a signal asks to exit: the caller's
		// terminal may be stopped (^S), or a pipe in its place may not be read.
		_ = c.signals.ForReadable(relay.Copied)
	}
	c.pipes.Finish(&c.signals)
	return status, err
}

// forwardUntilExit forwards signals until the process exits.
func (c *child) forwardUntilExit(relay *terminal.Relay) error {
	arrived := c.signals.Early
	for {
		for _, s := range arrived {
			if err := c.forward(s, relay); err != nil {
				c.settings.Warn(err)
			}
		}
		more, err := wait.ForSignal(c.signals.Queue.FD, int(c.PidFD().Fd()))
		if err != nil || !more {
			return err
		}
		if arrived, err = c.signals.Queue.Pending(); err != nil {
			return err
		}
	}
}

// forward passes on a signal.
func (c *child) forward(s unix.Signal, relay *terminal.Relay) error {
	if s == unix.SIGWINCH && relay != nil {
		return relay.Resize()
	}
	if err := c.Signal(s); err != nil {
		return fmt.Errorf("forward %s: %w", unix.SignalName(s), err)
	}
	return nil
}
