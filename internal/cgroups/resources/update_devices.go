package resources

import (
	"context"
	"errors"
	"time"

	"github.com/minirun/minirun/internal/cgroups/cgroupfs"
	"github.com/minirun/minirun/internal/cgroups/devices"
	"github.com/minirun/minirun/internal/cgroups/group"
)

// updateDevices replaces the device rules.
func updateDevices(g *group.Group, policy devices.Policy) error {
	if dir := g.V1Directory("devices"); dir != "" {
		return updateDevicesV1(g, dir, policy)
	}
	return Apply(g, []Value{programValue(policy)})
}

// updateDevicesV1 changes the rules of the v1 controller. Only exceptions that differ
// are written, new ones first. Between "deny a" and the exceptions that follow it the
// container would be denied every device, so if the default changes, or cannot be
// verified, its processes are frozen meanwhile.
func updateDevicesV1(g *group.Group, dir string, policy devices.Policy) error {
	rules, err := policy.V1()
	if err != nil {
		return deviceError(err)
	}
	list, err := cgroupfs.ReadText(dir + "/devices.list")
	if err != nil {
		return explain(&Value{Controller: "devices", Source: devices.Path}, err)
	}
	if devices.IsAllowAll(list) && rules.AllowsAll() {
		return nil
	}
	c := &compiler{}
	c.devicesV1(rules)
	if rules.AllowsByDefault() || devices.IsAllowAll(list) {
		// The default is not part of the list, so it cannot be restored. These writes
		// fail only if the first one does.
		return whileFrozen(g, func() error { return Apply(g, c.out) })
	}
	verification := c.out[len(c.out)-1]
	err = Apply(g, append(deviceValues(rules.ChangesFrom(list)), verification))
	if err == nil {
		return nil
	}
	reached, failed := cgroupfs.ReadText(dir + "/devices.list")
	if failed == nil {
		failed = Apply(g, deviceValues(devices.RestoreList(reached, list)))
	}
	return errors.Join(err, failed)
}

// freezeDeadline limits how long an update may keep the container frozen.
const freezeDeadline = 10 * time.Second

// whileFrozen runs change while no process of the group runs.
func whileFrozen(g *group.Group, change func() error) (err error) {
	paused, err := g.IsPaused()
	if err != nil {
		return err
	}
	if paused || g.V1Directory("freezer") == "" && g.V2Directory() == "" {
		return change()
	}
	ctx, cancel := context.WithTimeout(context.Background(), freezeDeadline)
	defer cancel()
	if err := g.Freeze(ctx); err != nil {
		return err
	}
	defer func() {
		thaw, cancel := context.WithTimeout(context.Background(), freezeDeadline)
		defer cancel()
		err = errors.Join(err, g.Thaw(thaw))
	}()
	return change()
}
