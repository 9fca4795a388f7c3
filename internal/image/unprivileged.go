package image

import (
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/spec"
)

// Unprivileged gives a container of an unprivileged user a user namespace, mapped to the IDs that
// the files of its layers have, and removes the settings that require privileges. If isHostNetwork
// is set, the container has no network namespace.
func Unprivileged(c *specs.Spec, uids, gids []specs.LinuxIDMapping, isHostNetwork bool) error {
	if err := namespaces.Adapt(&c.Process.User, uids, gids); err != nil {
		return err
	}
	c.Linux.Namespaces = append(c.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
	c.Linux.UIDMappings, c.Linux.GIDMappings = uids, gids
	if c.Linux.Resources != nil {
		c.Linux.Resources.Devices = nil
	}
	delete(c.Linux.Sysctl, "net.ipv4.ping_group_range") // it contains groups that are not mapped
	if !namespaces.Maps(gids, spec.TTYGroup) {
		spec.DropTTYGroup(c.Mounts)
	}
	for i := range c.Mounts {
		if m := &c.Mounts[i]; m.Destination == "/sys" && isHostNetwork { // sysfs belongs to a network namespace
			m.Type, m.Source, m.Options = "bind", "/sys", append([]string{"rbind", "rro"}, m.Options...)
		}
	}
	return nil
}
