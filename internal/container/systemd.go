package container

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"

	"github.com/minirun/minirun/internal/bootstrap"
	"github.com/minirun/minirun/internal/cgroups/group"
	"github.com/minirun/minirun/internal/cgroups/host"
	"github.com/minirun/minirun/internal/cgroups/resources"
	"github.com/minirun/minirun/internal/container/observer"
	"github.com/minirun/minirun/internal/container/record"
	"github.com/minirun/minirun/internal/container/wait"
	"github.com/minirun/minirun/internal/handshake"
	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/spec"
	"github.com/minirun/minirun/internal/systemd"
)

// This file has systemd create the cgroup. A scope is created for an existing process,
// so the process is started outside, and asks before its first step (handshake.Scope):
//
//	record with the unit → fork → Scope: StartTransientUnit, limits, delegation → the plan
//	delete: kill, remove the cgroup, StopUnit
//
// systemd leaves the scope's cgroup alone (Delegate=yes): limits, freezing and killing
// use its files, as without systemd.

// planUnit decides the container's unit and where its cgroup will be.
func (c *Container) planUnit(machine *host.Host) error {
	if !machine.IsV2Only() {
		return errors.New("--systemd-cgroup: needs a host with only cgroup v2: without the flag, minirun creates the " +
			"cgroups of version 1 itself")
	}
	path := c.Spec.Linux.CgroupsPath
	unit, err := systemd.NewUnit(path, c.options.ID, namespaces.Unprivileged())
	if err != nil {
		return &spec.Error{Path: "linux.cgroupsPath", Want: err.Error(), Got: strconv.Quote(path)}
	}
	base := ""
	if unit.User {
		err = c.Signals.Run(func(ctx context.Context) (err error) {
			base, err = systemd.Do(ctx, &systemd.Request{Do: systemd.ControlGroup, Unit: unit})
			return err
		})
		if err != nil {
			return err
		}
	}
	dir, ok := machine.V2.Directory(base + unit.Path())
	if !ok {
		return fmt.Errorf("--systemd-cgroup: the cgroup %s of the unit is not below %s, the only part that is "+
			"mounted here", base+unit.Path(), machine.V2.Root)
	}
	c.Unit = &unit
	c.group = group.OpenOn(machine, map[string]string{"": dir})
	if err := c.group.CheckUnused(); err != nil {
		return &spec.Error{Path: "linux.cgroupsPath", Want: "must name a unit that does not exist yet",
			Got: strconv.Quote(unit.Name), Err: err}
	}
	return nil
}

// moveIntoScope has systemd move the process, which waits for that, into its unit, and limits
// it.
func (c *Container) moveIntoScope() error {
	begin := c.BeginAction()
	err := c.Signals.Run(func(ctx context.Context) error {
		_, err := systemd.Do(ctx, &systemd.Request{Do: systemd.Start, Unit: *c.Unit, ID: c.ID, Pid: c.Proc.Pid,
			Values: c.values, Annotations: c.Annotations})
		return err
	})
	if err != nil {
		return errors.Join(systemd.Locate(err), c.disownUnit())
	}
	if err := c.checkInUnit(); err != nil {
		return err
	}
	c.Report(begin, observer.Action{
		What:   fmt.Sprintf("have systemd create %s for process %d", c.Unit.Name, c.Proc.Pid),
		Why:    "systemd knows the cgroup and its limits, and does not overwrite them when it is reloaded",
		Source: "linux.cgroupsPath",
	})
	begin = c.BeginAction()
	if err := resources.Apply(c.group, c.values); err != nil {
		return err
	}
	c.reportLimits(begin, false)
	return c.delegateCgroup()
}

// createScopeForCRIU has systemd create the scope for processes that criu(8) will restore,
// with a process that only waits: systemd creates no scope without one. The process is
// ended by leave, when the container's processes exist.
func (c *Container) createScopeForCRIU() (leave func(), err error) {
	if c.Unit == nil {
		return func() {}, nil
	}
	b := plan.NewBuilder(0)
	parent := handshake.New(b)
	parent.Ask("wait until criu has restored the container's processes", b.Message(handshake.Scope))
	parent.End()
	holder, err := bootstrap.Start(b.Plan(), bootstrap.Attr{})
	if err != nil {
		return nil, fmt.Errorf("--systemd-cgroup: %w", err)
	}
	leave = func() {
		if holder.Kill() == nil {
			_, _ = holder.Wait()
		}
		holder.Close()
	}
	c.Proc = holder
	err = c.moveIntoScope()
	c.Proc = nil
	if err != nil {
		leave()
		return nil, err
	}
	return leave, nil
}

// disownUnit gives up the claim to a unit that belongs to another container: its processes
// must not be killed when this container is undone.
func (c *Container) disownUnit() error {
	if c.checkInUnit() == nil {
		return nil
	}
	c.Unit, c.Cgroups, c.group = nil, nil, group.Open(nil)
	return c.Record.Write(c.options.directory())
}

// checkInUnit checks that the process is in the cgroup that has its limits.
func (c *Container) checkInUnit() error {
	dir, err := record.OpenCgroup2(c.Proc.Pid)
	if err != nil {
		return fmt.Errorf("config.json: linux.cgroupsPath: look for the process in %s: %w", c.Unit.Name, err)
	}
	defer dir.Close()
	if want := c.group.Paths()[""]; filepath.Clean(dir.Name()) != want {
		return fmt.Errorf("config.json: linux.cgroupsPath: systemd has put the process into %s, not %s", dir.Name(),
			want)
	}
	return nil
}

// forgetUnit makes systemd drop the container's unit. If it does not answer, that is a
// warning.
func forgetUnit(r *record.Record) (warning error) {
	if r.Unit == nil {
		return nil
	}
	_, warning = systemd.Do(context.Background(), &systemd.Request{Do: systemd.Stop, Unit: *r.Unit,
		Limit: wait.SystemdLimit})
	return warning
}
