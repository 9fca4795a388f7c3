package container

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/handshake"
	"github.com/minirun/minirun/internal/process"
)

// Start lets a container that this process has created become the user's
// program. It returns when execve has succeeded and the poststart hooks have
// run.
func (c *Container) Start() error {
	if err := c.release(); err != nil {
		return errors.Join(err, c.destroy())
	}
	if c.Hooks != nil {
		if err := c.hooks("poststart", c.Hooks.Poststart, specs.StateRunning); err != nil {
			return errors.Join(err, c.destroy())
		}
	}
	return nil
}

// release answers Ready and follows the process to its execve.
func (c *Container) release() error {
	if !c.answered {
		answer, err := c.ready()
		if err != nil {
			return err
		}
		if err := c.proc.Reply(answer); err != nil {
			return c.died(err)
		}
	}
	for {
		if err := c.attentive(c.proc.SyncFD()); err != nil {
			return err
		}
		m, err := c.proc.Receive()
		if errors.Is(err, io.EOF) && !ended(int(c.proc.PidFD.Fd())) {
			return nil // execve has closed the socket
		}
		if errors.Is(err, io.EOF) {
			return c.endedEarly()
		}
		if err != nil {
			return c.died(err)
		}
		if m.Point != handshake.SeccompListener && m.Point != handshake.HookFailed {
			return fmt.Errorf("the new process asks for %s after it was ready", handshake.Name(m.Point))
		}
		answer, err := c.answer(m)
		if err != nil {
			return err
		}
		if err := c.proc.Reply(answer); err != nil {
			return c.died(err)
		}
	}
}

// endedEarly tells a program that was short from a set-up that was killed
// before execve: a failed step would have been reported, unless the seccomp
// filter stopped the report itself. A process that is not reaped yet keeps its
// name, and execve changes it.
func (c *Container) endedEarly() error {
	name, err := os.ReadFile("/proc/" + strconv.Itoa(c.Pid) + "/comm")
	if err != nil {
		return fmt.Errorf("look at the container's first process: %w", err)
	}
	if string(name) != process.InitName+"\n" {
		return nil
	}
	err = c.died(io.EOF)
	if c.spec.Linux.Seccomp != nil {
		err = fmt.Errorf("%w: does linux.seccomp allow write, close_range and execve? the last steps need them", err)
	}
	return err
}

// Wait waits for the end of the container's first process and returns the exit
// status that minirun reports: its own, or 128 and the signal's number.
func (c *Container) Wait() (int, error) {
	status, err := c.proc.Wait()
	if err != nil {
		return 0, fmt.Errorf("wait for the container: %w", err)
	}
	if status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	return status.ExitStatus(), nil
}

// Signal sends a signal to the container's first process. One that has ended
// is no error.
func (c *Container) Signal(s unix.Signal) error {
	err := unix.PidfdSendSignal(int(c.proc.PidFD.Fd()), s, nil, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	return err
}

// Delete deletes a container whose process this one has waited for.
func (c *Container) Delete() (warnings []error, err error) {
	if err := c.remove(c.options.directory(), c.group); err != nil {
		return nil, err
	}
	return c.poststop(), nil
}

// Close gives up the descriptors of a container that goes on alone.
func (c *Container) Close() {
	c.proc.Close()
	if c.Console != nil {
		c.Console.Close()
	}
}

// PidFD is the descriptor that becomes readable when the container's first
// process ends.
func (c *Container) PidFD() *os.File { return c.proc.PidFD }
