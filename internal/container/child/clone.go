package child

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/bootstrap"
	"github.com/minirun/minirun/internal/cgroups/group"
	"github.com/minirun/minirun/internal/cgroups/host"
	"github.com/minirun/minirun/internal/container/diagnose"
	"github.com/minirun/minirun/internal/container/record"
	"github.com/minirun/minirun/internal/container/wait"
	"github.com/minirun/minirun/internal/handshake"
	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/process"
)

// This file is the parent's part of a clone inside the plan: the process that it talks
// to exits, and a sibling continues. See namespaces.EnterPID for the reason.

// LeaveCgroup moves the process, which the cgroup's limit prevents from cloning its
// successor, into minirun's own cgroup.
func (c *Process) LeaveCgroup(detect func() (*host.Host, error)) error {
	machine, err := detect()
	if err != nil {
		return err
	}
	if err := group.Current(machine).AddProcess(c.Proc.Pid); err != nil {
		return fmt.Errorf("the container's cgroup is full, and its process cannot be cloned outside it: %w", err)
	}
	c.outsideCgroup = true
	return nil
}

// FollowClone switches to the process pid, which the first one has cloned, and reaps the
// first one, which exits. Then it sets what a child does not inherit.
func (c *Process) FollowClone(pid int, cgroup *group.Group) error {
	first := c.Proc.Pid
	ending, err := unix.FcntlInt(c.Proc.PidFD.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(ending) }()
	if err := c.Proc.Become(pid); err != nil {
		return err
	}
	c.arrived = true
	if !wait.ForExit(ending, wait.KillLimit) {
		return fmt.Errorf("process %d, which has cloned its successor, does not exit: is its cgroup frozen?", first)
	}
	if err := record.Reap(first); err != nil {
		return err
	}
	if c.outsideCgroup {
		if err := cgroup.AddProcess(pid); err != nil {
			return err
		}
	}
	s := c.Spec.Process.Scheduler
	if s == nil || !c.ClonedLast || !process.ScheduledFromOutside(s) {
		return nil
	}
	if err := unix.SchedSetAttr(pid, process.SchedAttr(s), 0); err != nil {
		var errno unix.Errno
		_ = errors.As(err, &errno)
		return fmt.Errorf("process.scheduler: set the scheduler of process %d to %s: %w%s", pid, s.Policy, err,
			diagnose.ExplainScheduler(s, errno))
	}
	return nil
}

// CheckQuestion refuses a question that the plan does not ask at this point. Once other
// processes can see this one, they may make it send anything, and it must not get more
// than what its program could do. They can see it a moment before the parent has
// received its PID: nothing may be asked twice, so everything that the plan has
// already asked is out of their reach. That moment is too short for more.
func (c *Process) CheckQuestion(point uint32) error {
	if !c.ClonedLast {
		return nil
	}
	switch point {
	// once for each step, mount, or part of a path
	case plan.Ran, bootstrap.Stamped, handshake.CopyUp, handshake.Target:
	default:
		bit := uint64(1) << point
		if point >= 64 || c.askedPoints&bit != 0 {
			return fmt.Errorf("%s asks for %s a second time", c.Description, handshake.Name(point))
		}
		c.askedPoints |= bit
	}
	if !c.arrived {
		return nil
	}
	switch point {
	case handshake.Ready, handshake.SeccompListener, handshake.HookFailed, handshake.NoProgram, plan.Ran,
		bootstrap.Stamped:
		return nil
	}
	return fmt.Errorf("%s asks for %s, which is not allowed in its PID namespace", c.Description, handshake.Name(point))
}
