package container

import (
	"errors"
	"fmt"
	"io"

	"github.com/minirun/minirun/internal/container/hostfacts"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/bootstrap"
	"github.com/minirun/minirun/internal/container/hooks"
	"github.com/minirun/minirun/internal/container/wait"
	"github.com/minirun/minirun/internal/handshake"
	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/process"
)

// serve answers the new process's questions until it is ready: see package
// handshake.
func (c *Container) serve() error {
	for {
		if err := c.signals.ForReadable(c.proc.FDs()...); err != nil {
			return err
		}
		m, err := c.proc.Receive()
		if err != nil {
			return c.died(err)
		}
		if m.Point == handshake.Ready && c.purpose.starts {
			return c.mayAsk(m.Point) // the answer is release's
		}
		answer, err := c.answer(m)
		if err != nil {
			return err
		}
		if m.Point == handshake.Ready {
			return c.created(m, answer)
		}
		if answer != nil {
			if err := c.proc.Reply(answer); err != nil {
				return c.died(err)
			}
		}
	}
}

// created records that the container is created, and lets the process wait for start:
// it leaves the conversation, which ends with that.
func (c *Container) created(m bootstrap.Message, answer []byte) error {
	c.Socket = int(m.A >> 32)
	c.LastSteps, c.HookOutputs = c.lastSteps(), hooks.OutputDescriptors(c.Hooks, c.plan.Files)
	c.handOverDevices()
	if err := c.Record.Write(c.options.directory()); err != nil {
		return err
	}
	if err := c.proc.Reply(answer); err != nil {
		return c.died(err)
	}
	if err := c.signals.ForReadable(c.proc.FDs()...); err != nil {
		return err
	}
	if _, err := c.proc.Receive(); !errors.Is(err, io.EOF) {
		return c.died(err)
	}
	if wait.HasExited(int(c.proc.PidFD.Fd())) {
		return c.died(io.EOF)
	}
	return nil
}

var goOn = []byte{1}

func (c *Container) answer(m bootstrap.Message) ([]byte, error) {
	if err := c.mayAsk(m.Point); err != nil {
		return nil, err
	}
	begin := c.began()
	debugAsked(c.proc.Pid, m)
	switch m.Point {
	case plan.Ran:
		return goOn, c.ran(m)
	case bootstrap.Stamped:
		c.settings.Watch.Stamped(stamps(m.Stamps))
		return nil, nil
	case handshake.Scope:
		return goOn, c.scope()
	case handshake.MapIDs:
		linux := c.spec.Linux
		if err := namespaces.WriteMaps(c.proc.Pid, linux.UIDMappings, linux.GIDMappings, hostfacts.IsRootless()); err != nil {
			return nil, fmt.Errorf("config.json: linux.uidMappings: %w", err)
		}
		c.didMap(begin)
	case handshake.TimeOffsets:
		if err := namespaces.WriteTimeOffsets(c.proc.Pid, c.spec.Linux.TimeOffsets); err != nil {
			return nil, fmt.Errorf("config.json: linux.timeOffsets: %w", err)
		}
		c.did(begin, fmt.Sprintf("set the clocks: write to /proc/%d/timens_offsets", c.proc.Pid), "a time namespace accepts them only before it has a process", "linux.timeOffsets")
	case handshake.Cloned:
		if err := c.cloned(int(m.A)); err != nil {
			return nil, err
		}
		return goOn, c.sendListener()
	case handshake.Full:
		return goOn, c.leaveCgroup(c.purpose.cgroupHost)
	case handshake.Target:
		return c.target(m)
	case handshake.NetDevices:
		return goOn, c.moveDevices()
	case handshake.CopyUp:
		return goOn, c.copyUp(int(m.A), int(m.B))
	case handshake.Mounted:
		return goOn, c.mounted()
	case handshake.Console:
		return goOn, c.console(int(m.A))
	case handshake.SeccompListener:
		if err := c.takeListener(int(m.A)); err != nil {
			return nil, err
		}
		return goOn, c.sendListener()
	case handshake.Ready:
		return c.ready()
	case handshake.HookFailed:
		return nil, c.inside.Failure(c.Hooks, m, c.who)
	case handshake.NoProgram:
		return nil, c.noProgram(unix.Errno(-int64(m.A)))
	}
	return goOn, nil
}

// cloned continues with the process that the first one has cloned.
func (c *Container) cloned(pid int) error {
	if err := c.successor(pid, c.group); err != nil {
		return err
	}
	return c.adopt()
}

// mounted runs the hooks that see the container before it has pivoted.
func (c *Container) mounted() error {
	list := c.spec.Hooks
	if list == nil {
		return nil
	}
	if err := c.checkMaps(); err != nil {
		return err
	}
	if err := c.runHooks(hooks.List("prestart", list.Prestart), specs.StateCreated); err != nil {
		return err
	}
	if err := c.runHooks(hooks.List("createRuntime", list.CreateRuntime), specs.StateCreating); err != nil {
		return err
	}
	return c.inside.WriteState(hooks.List("createContainer", list.CreateContainer), c.OCIState(specs.StateCreating, c.Pid))
}

// checkMaps refuses mappings for a joined user namespace that has different ones. The
// process is in it: its maps are those of the namespace, however it was specified.
func (c *Container) checkMaps() error {
	if !c.setup.Joined(unix.CLONE_NEWUSER) {
		return nil
	}
	return namespaces.CheckMaps(c.proc.Pid, c.spec.Linux.UIDMappings, c.spec.Linux.GIDMappings)
}

// ready does what must wait for the container's last step before start, and returns
// the answer: HOME, or one byte.
func (c *Container) ready() ([]byte, error) {
	if err := c.checkMaps(); err != nil {
		return nil, err
	}
	begin := c.began()
	if err := c.group.ApplyLate(c.values); err != nil {
		return nil, err
	}
	c.didLimit(begin, true)
	if c.setup.Has(unix.CLONE_NEWUSER) {
		begin := c.began()
		if err := c.rlimits(); err != nil {
			return nil, err
		}
		c.did(begin, fmt.Sprintf("set the limits of process %d: prlimit", c.proc.Pid), "root of a user namespace may not raise them", "process.rlimits")
	}
	// Only now is the process the one in the state for startContainer hooks.
	if h := c.spec.Hooks; h != nil {
		list := hooks.List("startContainer", h.StartContainer)
		if err := c.inside.WriteState(list, c.OCIState(specs.StateCreated, c.Pid)); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(c.sendConsole(), c.sendPidFD(pidFDOfFirst)); err != nil {
		return nil, err
	}
	if process.HasHome(c.spec.Process.Env) {
		return goOn, nil
	}
	home, err := c.home()
	if err != nil {
		return nil, err
	}
	return homeAnswer(home), nil
}

// died explains why the process has closed the socket or could not be written to: a
// failed step, or its death.
func (c *child) died(err error) error {
	var failed *bootstrap.ErrFailed
	if errors.As(err, &failed) {
		failed.Step = c.origin(failed.Step)
		if c.explain != nil {
			return c.explain(failed)
		}
		return c.stepError(failed)
	}
	if !errors.Is(err, io.EOF) && !errors.Is(err, unix.EPIPE) && !errors.Is(err, unix.ECONNRESET) {
		return fmt.Errorf("talk to %s: %w", c.who, err)
	}
	if kill := c.proc.Kill(); kill != nil {
		return kill
	}
	if c.proc.Reaped {
		return fmt.Errorf("%s exited while it was being started", c.who)
	}
	status, err := c.reapKilled()
	if err != nil {
		return err
	}
	if status.Signaled() {
		hint := ""
		if status.Signal() == unix.SIGKILL {
			c.killed = true
			hint = ": out of memory? see linux.resources.memory.limit, and dmesg"
		}
		return fmt.Errorf("%s was killed by signal %d (%s) while it was being set up%s", c.who, status.Signal(), unix.SignalName(status.Signal()), hint)
	}
	return fmt.Errorf("%s exited with status %d while it was being set up", c.who, status.ExitStatus())
}
