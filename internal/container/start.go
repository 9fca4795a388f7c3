package container

import (
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/bootstrap"
	"github.com/minirun/minirun/internal/container/child"
	"github.com/minirun/minirun/internal/container/hooks"
	"github.com/minirun/minirun/internal/container/observer"
	"github.com/minirun/minirun/internal/container/record"
	"github.com/minirun/minirun/internal/container/wait"
	"github.com/minirun/minirun/internal/debuglog"
	"github.com/minirun/minirun/internal/handshake"
	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/spec"
)

// Start lets a container that another minirun has created become the user's program.
// It returns when execve has succeeded and the poststart hooks have run. A container
// that cannot be started exits, and is left to be deleted.
//
// With a notify socket (NOTIFY_SOCKET) it returns when the program reports that it is
// ready, or exits.
func Start(root, id, notifySocket string, warn func(any)) error {
	h, err := record.Acquire(root, id, unix.LOCK_EX)
	if err != nil {
		return err
	}
	defer h.Lock.Release()
	status, err := h.Status()
	if err != nil {
		return err
	}
	if status != specs.StateCreated {
		return &record.NotCreatedError{Status: status}
	}
	pidfd, err := h.OpenProcess()
	if err != nil {
		return err
	}
	if pidfd == nil {
		return &record.NotCreatedError{Status: specs.StateStopped}
	}
	proc, err := bootstrap.Attach(h.Pid, pidfd, h.Socket)
	if err != nil {
		return err
	}
	defer proc.Close()
	c := newContainer(Options{Root: root, ID: id, NotifySocket: notifySocket, Warn: warn}, purpose{})
	c.Record, c.lock = h.Record, h.Lock
	c.Proc, c.Explain = proc, c.explainLastStep
	h.Lock = -1 // c has it now
	if err := c.openNotify(); err != nil {
		c.lock.Release()
		return err
	}
	if err := c.startCreated(); err != nil {
		c.notifier.Close(&c.Signals)
		err = errors.Join(err, proc.Kill())
		wait.ForExit(int(proc.PidFD.Fd()), wait.UndoLimit) // so that it is stopped when the next command runs
		return err
	}
	c.awaitReady()
	return nil
}

func (c *Container) startCreated() error {
	defer c.lock.Release()
	debuglog.Printf("let process %d continue from its set-up to its program", c.Pid)
	defer c.inside.Close()
	if err := c.inside.TakeOutputs(c.Proc, c.HookOutputs); err != nil {
		return err
	}
	if err := c.Proc.Reply(child.Continue); err != nil {
		return c.ExplainDeath(err)
	}
	if err := c.serveUntilExec(); err != nil {
		return err
	}
	return c.runPoststart()
}

// startAndRunHooks lets a container that this process has created become the user's program.
func (c *Container) startAndRunHooks() error {
	if err := c.startProgram(); err != nil {
		return errors.Join(err, c.destroy())
	}
	if err := c.runPoststart(); err != nil {
		return errors.Join(err, c.destroy())
	}
	c.closeDevices()
	return nil
}

// runPoststart runs the hooks that come after the program has started. They may call
// minirun, so the lock is released before.
func (c *Container) runPoststart() error {
	c.lock.Release()
	if c.Hooks == nil {
		return nil
	}
	if !spec.Before(c.Declared, 1, 3) {
		return c.runHooks(hooks.List("poststart", c.Hooks.Poststart), specs.StateRunning)
	}
	// Up to version 1.2 a failure was a warning, and the other hooks still ran
	// (runtime.md, "Lifecycle", 9).
	return c.Signals.Run(func(ctx context.Context) error {
		for _, w := range hooks.RunAll(ctx, hooks.List("poststart", c.Hooks.Poststart),
			c.OCIState(specs.StateRunning, c.Pid)) {
			c.options.Warn(w)
		}
		return nil
	})
}

// startProgram answers Ready and follows the process to its execve.
func (c *Container) startProgram() (err error) {
	begin := c.BeginAction()
	defer func() {
		if err == nil {
			c.Report(begin, observer.Action{
				Kind:   observer.ProgramStarted,
				What:   "the program runs: execve has closed the socket",
				Why:    "from here on the process belongs to the container, not to minirun",
				Source: "process.args",
			})
		}
	}()
	if !c.answered {
		answer, err := c.answerReady()
		if err != nil {
			return err
		}
		if err := c.hold(); err != nil {
			return err
		}
		if err := c.Proc.Reply(answer); err != nil {
			return c.ExplainDeath(err)
		}
	}
	return c.serveUntilExec()
}

// hold returns when the program may be executed.
func (c *Container) hold() error {
	if c.options.Hold == nil {
		return nil
	}
	process := int(c.Proc.PidFD.Fd())
	return c.options.Hold(observer.Stop{Pid: c.Proc.Pid, Last: -1, AwaitForeground: c.Signals.AwaitForeground,
		Wait: func(fd int) error {
			if err := c.Signals.ForReadable(process, fd); err != nil || !wait.HasExited(process) {
				return err
			}
			return errors.New("another command ended the container while --hold kept it")
		}})
}

// serveUntilExec serves the process until its execve has succeeded.
func (c *Container) serveUntilExec() error {
	return c.Converse(func(m bootstrap.Message) ([]byte, error) {
		switch m.Point {
		case handshake.SeccompListener, handshake.HookFailed, handshake.NoProgram, plan.Ran, bootstrap.Stamped:
			return c.answer(m)
		}
		return nil, fmt.Errorf("the new process asks for %s after it was ready", handshake.Name(m.Point))
	})
}

// Delete deletes a container whose process this one has waited for. It is not an error
// if another minirun has deleted it meanwhile.
func (c *Container) Delete() (warnings []error, err error) {
	dir := c.options.directory()
	if exists, err := c.relock(); err != nil || !exists {
		return nil, err
	}
	defer c.closeDirectory()
	lost := c.FindLost()
	if warnings, err = remove(&c.Record, dir, c.group); err != nil {
		return warnings, err
	}
	if lost != nil {
		warnings = append(warnings, lost)
	}
	c.lock.Release()
	return append(warnings, c.runPoststopAttended()...), nil
}

// Close releases the descriptors of a container that continues alone.
func (c *Container) Close() {
	c.closeDirectory()
	c.closeDevices()
	c.Proc.Close()
	c.inside.Close()
	if c.Console != nil {
		c.Console.Close()
	}
}
