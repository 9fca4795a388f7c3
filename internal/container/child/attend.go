package child

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/container/terminal"
	"github.com/minirun/minirun/internal/container/wait"
	"github.com/minirun/minirun/internal/debuglog"
	"github.com/minirun/minirun/internal/process"
	"github.com/minirun/minirun/internal/signals"
)

// Attend forwards signals and the terminal until the container exits.
func (c *Process) Attend() (int, error) {
	var relay *terminal.Relay
	if c.Console != nil {
		var err error
		if relay, err = terminal.NewRelay(c.Console, c.Settings.Terminal, c.explainKeys); err != nil {
			return 0, err
		}
		defer relay.Restore()
	}
	c.Pipes.CopyInput()
	if err := c.forwardUntilExit(relay); err != nil {
		return 0, err
	}
	status, err := c.Wait()
	if relay != nil {
		// All output must be written, unless a signal asks to exit: the caller's
		// terminal may be stopped (^S), or a pipe in its place may not be read.
		_ = c.Signals.ForReadable(relay.Copied)
	}
	c.Pipes.Finish(&c.Signals)
	if c.endedBy != 0 && err == nil {
		return 128 + int(c.endedBy), nil
	}
	return status, err
}

// forwardUntilExit forwards signals until the process exits.
func (c *Process) forwardUntilExit(relay *terminal.Relay) error {
	arrived := c.Signals.Early
	for {
		for _, s := range arrived {
			if err := c.forwardSignal(s, relay); err != nil {
				c.Settings.Warn(err)
			}
		}
		relay.AwaitForeground(c.Signals.Queue.FD)
		more, err := wait.ForSignal(c.Signals.Queue.FD, int(c.PidFD().Fd()))
		if err != nil || !more {
			return err
		}
		if arrived, err = c.Signals.Queue.Pending(); err != nil {
			return err
		}
	}
}

// forwardSignal passes on a signal.
func (c *Process) forwardSignal(s unix.Signal, relay *terminal.Relay) error {
	if s == unix.SIGWINCH && relay != nil {
		return relay.Resize()
	}
	if signals.IsTermination(s) {
		relay.StayInBackground()
		if handled, err := c.handleDiscarded(s, relay); handled || err != nil {
			return err
		}
	}
	if err := c.Signal(s); err != nil {
		return fmt.Errorf("forward %s: %w", unix.SignalName(s), err)
	}
	switch s {
	case unix.SIGTSTP:
		relay.Suspend()
		signals.Suspend(s)
	case unix.SIGCONT:
		return relay.Continue()
	}
	return nil
}

// checkEarlyExit distinguishes a short program from a set-up that was killed before
// execve: a failed step would have been reported, unless the seccomp filter prevented
// the report itself. A process that is not reaped yet keeps its name, and execve
// changes it.
func (c *Process) checkEarlyExit() error {
	if !wait.ForExit(int(c.Proc.PidFD.Fd()), wait.KillLimit) {
		return fmt.Errorf("%s has closed its socket, but is still running its plan", c.Description)
	}
	name, err := os.ReadFile("/proc/" + strconv.Itoa(c.Proc.Pid) + "/comm")
	if c.Proc.Reaped && err != nil {
		return nil // its parent was quicker: it has run, or was killed; no step has failed
	}
	if err != nil {
		return fmt.Errorf("examine %s: %w", c.Description, err)
	}
	if !isInSetUp(strings.TrimSuffix(string(name), "\n")) {
		return nil
	}
	err = c.ExplainDeath(io.EOF)
	if c.Spec == nil || c.Spec.Linux.Seccomp != nil {
		err = fmt.Errorf("%w\nhint: linux.seccomp must allow dup3, read, write, close, close_range and execve, "+
			"which the last steps need", err)
	}
	return err
}

// isInSetUp reports whether a process of this name has not become the program yet: until
// the plan is executed it is named after minirun itself, then after the number of the
// plan's descriptor, and then it sets its own name.
func isInSetUp(name string) bool {
	own, err := os.ReadFile("/proc/self/comm")
	if err == nil && strings.TrimSuffix(string(own), "\n") == name {
		return true
	}
	return name == process.InitName || name != "" && strings.Trim(name, "0123456789") == ""
}

// Wait waits for the exit of the container's first process and returns the exit status
// that minirun reports: its own, or 128 plus the signal's number.
func (c *Process) Wait() (int, error) {
	status, err := c.Proc.Wait()
	if err != nil {
		return 0, fmt.Errorf("wait for the container: %w", err)
	}
	if status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	return status.ExitStatus(), nil
}

// Signal sends a signal to the container's first process. It is not an error if the
// process has exited.
func (c *Process) Signal(s unix.Signal) error {
	debuglog.Printf("pass %s on to process %d", unix.SignalName(s), c.Proc.Pid)
	c.Signals.PassedOn = c.Signals.PassedOn || signals.IsTermination(s)
	err := unix.PidfdSendSignal(int(c.Proc.PidFD.Fd()), s, nil, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	return err
}

// PidFD returns the descriptor that becomes readable when the container's first
// process exits.
func (c *Process) PidFD() *os.File { return c.Proc.PidFD }

// ReapKilled reaps the process, which has been killed. It does not die while a cgroup
// above the container's is frozen.
func (c *Process) ReapKilled() (unix.WaitStatus, error) {
	if !wait.ForExit(int(c.Proc.PidFD.Fd()), wait.KillLimit) {
		return 0, fmt.Errorf("%s, %d, does not exit after SIGKILL\nhint: check whether a parent cgroup is frozen",
			c.Description, c.Proc.Pid)
	}
	status, err := c.Proc.Wait()
	if err != nil {
		return 0, fmt.Errorf("wait for %s: %w", c.Description, err)
	}
	return status, nil
}
