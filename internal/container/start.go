package container

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/minirun/minirun/internal/container/record"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/bootstrap"
	"github.com/minirun/minirun/internal/container/hooks"
	"github.com/minirun/minirun/internal/container/wait"
	"github.com/minirun/minirun/internal/debuglog"
	"github.com/minirun/minirun/internal/handshake"
	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/process"
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
	switch status {
	case specs.StateCreated:
	case specs.StateStopped:
		return errors.New("cannot start a container that has stopped")
	case specs.StateRunning:
		return errors.New("cannot start an already running container")
	default:
		return fmt.Errorf("cannot start a container in the state %s", status)
	}
	pidfd, err := h.OpenProcess()
	if err != nil {
		return err
	}
	if pidfd == nil {
		return errors.New("cannot start a container that has stopped")
	}
	proc, err := bootstrap.Attach(h.Pid, pidfd, h.Socket)
	if err != nil {
		return err
	}
	defer proc.Close()
	c := newContainer(Options{Root: root, ID: id, NotifySocket: notifySocket, Warn: warn}, purpose{})
	c.Record, c.lock = h.Record, h.Lock
	c.proc, c.explain = proc, c.lastStepError
	h.Lock = -1 // c has it now
	if err := c.openNotify(); err != nil {
		c.lock.Release()
		return err
	}
	if err := c.startCreated(); err != nil {
		c.notifier.Close(&c.signals)
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
	if err := c.inside.TakeOutputs(c.proc, c.HookOutputs); err != nil {
		return err
	}
	if err := c.proc.Reply(goOn); err != nil {
		return c.died(err)
	}
	if err := c.follow(); err != nil {
		return err
	}
	return c.poststart()
}

// start lets a container that this process has created become the user's program.
func (c *Container) start() error {
	if err := c.release(); err != nil {
		return errors.Join(err, c.destroy())
	}
	if err := c.poststart(); err != nil {
		return errors.Join(err, c.destroy())
	}
	c.forgetDevices()
	return nil
}

// poststart runs the hooks that come after the program has started. They may call
// minirun, so the lock is released before.
func (c *Container) poststart() error {
	c.lock.Release()
	if c.Hooks == nil {
		return nil
	}
	if !spec.Before(c.Declared, 1, 3) {
		return c.runHooks(hooks.List("poststart", c.Hooks.Poststart), specs.StateRunning)
	}
	// Up to version 1.2 a failure was a warning, and the other hooks still ran
	// (runtime.md, "Lifecycle", 9).
	return c.signals.Run(func(ctx context.Context) error {
		for _, w := range hooks.RunAll(ctx, hooks.List("poststart", c.Hooks.Poststart), c.OCIState(specs.StateRunning, c.Pid)) {
			c.options.Warn(w)
		}
		return nil
	})
}

// release answers Ready and follows the process to its execve.
func (c *Container) release() (err error) {
	begin := c.began()
	defer func() {
		if err == nil {
			c.did(begin, "the program runs: execve has closed the socket", "from here on the process belongs to the container, not to minirun", "process.args")
		}
	}()
	if !c.answered {
		answer, err := c.ready()
		if err != nil {
			return err
		}
		if err := c.proc.Reply(answer); err != nil {
			return c.died(err)
		}
	}
	return c.follow()
}

// follow serves the process until its execve has succeeded.
func (c *Container) follow() error {
	return c.converse(func(m bootstrap.Message) ([]byte, error) {
		switch m.Point {
		case handshake.SeccompListener, handshake.HookFailed, handshake.NoProgram, plan.Ran, bootstrap.Stamped:
			return c.answer(m)
		}
		return nil, fmt.Errorf("the new process asks for %s after it was ready", handshake.Name(m.Point))
	})
}

// endedEarly distinguishes a short program from a set-up that was killed before
// execve: a failed step would have been reported, unless the seccomp filter prevented
// the report itself. A process that is not reaped yet keeps its name, and execve
// changes it.
func (c *child) endedEarly() error {
	if !wait.ForExit(int(c.proc.PidFD.Fd()), wait.KillLimit) {
		return fmt.Errorf("%s has closed its socket, but is still running its plan", c.who)
	}
	name, err := os.ReadFile("/proc/" + strconv.Itoa(c.proc.Pid) + "/comm")
	if c.proc.Reaped && err != nil {
		return nil // its parent was quicker: it has run, or was killed; no step has failed
	}
	if err != nil {
		return fmt.Errorf("examine %s: %w", c.who, err)
	}
	if !inSetUp(strings.TrimSuffix(string(name), "\n")) {
		return nil
	}
	err = c.died(io.EOF)
	if c.spec == nil || c.spec.Linux.Seccomp != nil {
		err = fmt.Errorf("%w: does linux.seccomp allow dup3, read, write, close, close_range and execve? the last steps need them", err)
	}
	return err
}

// inSetUp reports whether a process of this name has not become the program yet: until
// the plan is executed it is named after minirun itself, then after the number of the
// plan's descriptor, and then it sets its own name.
func inSetUp(name string) bool {
	own, err := os.ReadFile("/proc/self/comm")
	if err == nil && strings.TrimSuffix(string(own), "\n") == name {
		return true
	}
	return name == process.InitName || name != "" && strings.Trim(name, "0123456789") == ""
}

// Wait waits for the exit of the container's first process and returns the exit status
// that minirun reports: its own, or 128 plus the signal's number.
func (c *child) Wait() (int, error) {
	status, err := c.proc.Wait()
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
func (c *child) Signal(s unix.Signal) error {
	debuglog.Printf("pass %s on to process %d", unix.SignalName(s), c.proc.Pid)
	err := unix.PidfdSendSignal(int(c.proc.PidFD.Fd()), s, nil, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	return err
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
	return append(warnings, c.poststop()...), nil
}

// Close releases the descriptors of a container that continues alone.
func (c *Container) Close() {
	c.closeDirectory()
	c.forgetDevices()
	c.proc.Close()
	c.inside.Close()
	if c.Console != nil {
		c.Console.Close()
	}
}

// PidFD returns the descriptor that becomes readable when the container's first
// process exits.
func (c *child) PidFD() *os.File { return c.proc.PidFD }
