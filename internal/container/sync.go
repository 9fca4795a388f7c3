package container

import (
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/bootstrap"
	"github.com/minirun/minirun/internal/cgroups/resources"
	"github.com/minirun/minirun/internal/container/child"
	"github.com/minirun/minirun/internal/container/hooks"
	"github.com/minirun/minirun/internal/container/hostfacts"
	"github.com/minirun/minirun/internal/container/observer"
	"github.com/minirun/minirun/internal/container/wait"
	"github.com/minirun/minirun/internal/handshake"
	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/process"
)

// serveUntilReady answers the new process's questions until it is ready: see package
// handshake.
func (c *Container) serveUntilReady() error {
	for {
		if err := c.Signals.ForReadable(c.Proc.FDs()...); err != nil {
			return err
		}
		m, err := c.Proc.Receive()
		if err != nil {
			return c.ExplainDeath(err)
		}
		if m.Point == handshake.Ready && c.purpose.starts {
			return c.CheckQuestion(m.Point) // the answer is release's
		}
		answer, err := c.answer(m)
		if err != nil {
			return err
		}
		if m.Point == handshake.Ready {
			return c.recordCreated(m, answer)
		}
		if answer != nil {
			if err := c.Proc.Reply(answer); err != nil {
				return c.ExplainDeath(err)
			}
		}
	}
}

// recordCreated records that the container is created, and lets the process wait for start:
// it leaves the conversation, which ends with that.
func (c *Container) recordCreated(m bootstrap.Message, answer []byte) error {
	c.Socket = int(m.A >> 32)
	c.LastSteps, c.HookOutputs = c.listLastSteps(), hooks.OutputDescriptors(c.Hooks, c.Plan.Files)
	c.dropDevicesFromRecord()
	if err := c.Record.Write(c.options.directory()); err != nil {
		return err
	}
	if err := c.Proc.Reply(answer); err != nil {
		return c.ExplainDeath(err)
	}
	if err := c.Signals.ForReadable(c.Proc.FDs()...); err != nil {
		return err
	}
	if _, err := c.Proc.Receive(); !errors.Is(err, io.EOF) {
		return c.ExplainDeath(err)
	}
	if wait.HasExited(int(c.Proc.PidFD.Fd())) {
		return c.ExplainDeath(io.EOF)
	}
	return nil
}

func (c *Container) answer(m bootstrap.Message) ([]byte, error) {
	if err := c.CheckQuestion(m.Point); err != nil {
		return nil, err
	}
	begin := c.BeginAction()
	child.DebugQuestion(c.Proc.Pid, m)
	switch m.Point {
	case plan.Ran:
		return child.Continue, c.ReportStep(m)
	case bootstrap.Stamped:
		c.Settings.Observer.Stamped(child.ConvertStamps(m.Stamps))
		return nil, nil
	case handshake.Scope:
		return child.Continue, c.moveIntoScope()
	case handshake.MapIDs:
		linux := c.Spec.Linux
		if err := namespaces.WriteMaps(c.Proc.Pid, linux.UIDMappings, linux.GIDMappings,
			hostfacts.IsRootless()); err != nil {
			return nil, fmt.Errorf("config.json: linux.uidMappings: %w", err)
		}
		c.reportMaps(begin)
	case handshake.TimeOffsets:
		if err := namespaces.WriteTimeOffsets(c.Proc.Pid, c.Spec.Linux.TimeOffsets); err != nil {
			return nil, fmt.Errorf("config.json: linux.timeOffsets: %w", err)
		}
		c.Report(begin, observer.Action{
			What:   fmt.Sprintf("set the clocks: write to /proc/%d/timens_offsets", c.Proc.Pid),
			Why:    "a time namespace accepts them only before it has a process",
			Source: "linux.timeOffsets",
		})
	case handshake.Cloned:
		if err := c.followClone(int(m.A)); err != nil {
			return nil, err
		}
		return child.Continue, c.sendListener()
	case handshake.Full:
		return child.Continue, c.LeaveCgroup(c.purpose.cgroupHost)
	case handshake.Target:
		return c.answerTarget(m)
	case handshake.NetDevices:
		return child.Continue, c.moveDevices()
	case handshake.CopyUp:
		return child.Continue, c.copyUp(int(m.A), int(m.B))
	case handshake.Mounted:
		return child.Continue, c.runMountHooks()
	case handshake.Console:
		return child.Continue, c.TakeConsole(int(m.A))
	case handshake.SeccompListener:
		if err := c.TakeListener(int(m.A)); err != nil {
			return nil, err
		}
		return child.Continue, c.sendListener()
	case handshake.Ready:
		return c.answerReady()
	case handshake.HookFailed:
		return nil, c.inside.Failure(c.Hooks, m, c.Description)
	case handshake.NoProgram:
		return nil, c.explainProgram(unix.Errno(-int64(m.A)))
	}
	return child.Continue, nil
}

// followClone continues with the process that the first one has cloned.
func (c *Container) followClone(pid int) error {
	if err := c.FollowClone(pid, c.group); err != nil {
		return err
	}
	return c.recordProcess()
}

// runMountHooks runs the hooks that see the container before it has pivoted.
func (c *Container) runMountHooks() error {
	list := c.Spec.Hooks
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
	return c.inside.WriteState(hooks.List("createContainer", list.CreateContainer),
		c.OCIState(specs.StateCreating, c.Pid))
}

// checkMaps refuses mappings for a joined user namespace that has different ones. The
// process is in it: its maps are those of the namespace, however it was specified.
func (c *Container) checkMaps() error {
	if !c.setup.Joined(unix.CLONE_NEWUSER) {
		return nil
	}
	return namespaces.CheckMaps(c.Proc.Pid, c.Spec.Linux.UIDMappings, c.Spec.Linux.GIDMappings)
}

// answerReady does what must wait for the container's last step before start, and returns
// the answer: HOME, or one byte.
func (c *Container) answerReady() ([]byte, error) {
	if err := c.checkMaps(); err != nil {
		return nil, err
	}
	begin := c.BeginAction()
	if err := resources.ApplyLate(c.group, c.values); err != nil {
		return nil, err
	}
	c.reportLimits(begin, true)
	if c.setup.Has(unix.CLONE_NEWUSER) {
		begin := c.BeginAction()
		if err := c.SetRlimits(); err != nil {
			return nil, err
		}
		c.Report(begin, observer.Action{
			What:   fmt.Sprintf("set the limits of process %d: prlimit", c.Proc.Pid),
			Why:    "root of a user namespace may not raise them",
			Source: "process.rlimits",
		})
	}
	// Only now is the process the one in the state for startContainer hooks.
	if h := c.Spec.Hooks; h != nil {
		list := hooks.List("startContainer", h.StartContainer)
		if err := c.inside.WriteState(list, c.OCIState(specs.StateCreated, c.Pid)); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(c.SendConsole(), c.SendPidFD(child.FirstPidFD)); err != nil {
		return nil, err
	}
	if process.HasHome(c.Spec.Process.Env) {
		return child.Continue, nil
	}
	home, err := c.FindHome()
	if err != nil {
		return nil, err
	}
	return encodeHome(home), nil
}
