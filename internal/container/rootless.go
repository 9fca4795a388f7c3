package container

import (
	"fmt"
	"strings"

	"github.com/minirun/minirun/internal/cgroups/group"
	"github.com/minirun/minirun/internal/cgroups/host"
	"github.com/minirun/minirun/internal/cgroups/resources"
	"github.com/minirun/minirun/internal/spec"
)

// This file handles the differences for users who are not root of the machine.

// planUnprivileged decides the cgroup of a container without privilege: below one
// that was delegated to the user, or created by the user's systemd. If there is
// neither, a container without limits runs without a cgroup.
func (c *Container) planUnprivileged(machine *host.Host) ([]resources.Value, error) {
	r := c.Spec.Linux.Resources
	if r != nil && len(r.Devices) > 0 {
		c.options.Warn(spec.Warning{Path: "linux.resources.devices",
			Text: "has no effect without root: the container has the devices that are bound into it, with the " +
				"permissions of its user"})
	}
	values, err := resources.CompileLimits(machine, r)
	if err != nil {
		return nil, err
	}
	if err := c.planGroup(machine); err != nil || c.Unit != nil || c.group.CanCreate() {
		return values, err
	}
	why := fmt.Errorf("cgroups: %s is not delegated to this user", c.group.Dirs()[0])
	if c.Spec.Linux.CgroupsPath == "" && machine.IsV2Only() {
		if err = c.planUnit(machine); err == nil {
			return values, nil
		}
		if c.Signals.AskedToExit {
			return nil, err
		}
		why = fmt.Errorf("%w, and the user's systemd creates none: %w", why, err)
	}
	c.Unit, c.group = nil, group.OpenOn(machine, nil)
	if len(values) > 0 {
		return nil, &spec.Error{Path: strings.TrimPrefix(values[0].Source, "config.json: "), Want: "needs a cgroup",
			Err: why}
	}
	c.options.Warn(spec.Warning{Path: "linux.cgroupsPath", Text: why.Error() +
		": the container has no cgroup, and needs none, because it has no limits"})
	return nil, nil
}
