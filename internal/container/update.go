package container

import (
	"errors"
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/cgroups/group"
	"github.com/minirun/minirun/internal/cgroups/host"
	"github.com/minirun/minirun/internal/cgroups/resources"
	"github.com/minirun/minirun/internal/resctrl"
)

// Update changes the resources of a container that has not stopped, only in its
// cgroups and its resctrl group: what r and s do not have stays unchanged
// (cgroups.Group.Update). After an error everything is as before.
func Update(root, id string, r *specs.LinuxResources, s RdtSchemas) (err error) {
	h, err := hold(root, id, unix.LOCK_EX)
	if err != nil {
		return err
	}
	defer h.lock.release()
	status, err := h.Status()
	if err != nil {
		return err
	}
	switch status {
	case specs.StateRunning, specs.StateCreated, StatePaused:
	default:
		return errNotRunning
	}
	machine, err := host.Detect()
	if err != nil {
		return fmt.Errorf("update: %w", err)
	}
	if len(h.Cgroups) == 0 && (s == RdtSchemas{} || !needsNoCgroup(machine, r)) {
		return errors.New("update: the container has no cgroup")
	}
	undo, err := h.updateRdt(s, resctrl.Find)
	if err != nil {
		return fmt.Errorf("update %s: %w", s.flag(), err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, undo())
		}
	}()
	if len(h.Cgroups) == 0 {
		return nil
	}
	cgroup := group.OpenOn(machine, h.Cgroups)
	old, err := resources.Update(cgroup, machine, r)
	if err != nil || h.Unit == nil {
		return err
	}
	if err := h.updateUnit(machine, cgroup, r); err != nil {
		return errors.Join(err, h.restoreUnit(cgroup, old))
	}
	return nil
}

// needsNoCgroup reports whether resources contain no limits and no rules (pure).
func needsNoCgroup(machine *host.Host, r *specs.LinuxResources) bool {
	values, err := resources.CompileLimits(machine, r)
	return err == nil && len(values) == 0 && len(r.Devices) == 0
}
