package container

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/cgroups/group"
	"github.com/minirun/minirun/internal/cgroups/host"
	"github.com/minirun/minirun/internal/cgroups/resources"
	"github.com/minirun/minirun/internal/container/compile"
	"github.com/minirun/minirun/internal/container/hostfacts"
	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/spec"
)

// planCgroup decides the container's cgroup, the values in it, and the content of a
// cgroup mount.
func (c *Container) planCgroup(in *compile.Inputs) ([]resources.Value, error) {
	machine, err := c.purpose.cgroupHost()
	if c.options.NoCgroup && errors.Is(err, host.ErrUnavailable) {
		machine, err = &host.Host{}, nil
	}
	if err != nil {
		return nil, err
	}
	var values []resources.Value
	if c.options.NoCgroup {
		err = c.disableCgroup(machine)
	} else if namespaces.Unprivileged() && c.purpose.otherHost == nil {
		values, err = c.planUnprivileged(machine)
	} else {
		if values, err = resources.Compile(machine, c.Spec.Linux.Resources); err == nil {
			err = c.planGroup(machine)
		}
	}
	if err != nil {
		return nil, err
	}
	in.Cgroups, in.Scope = c.group.Tasks(), c.Unit != nil
	cgroup := c.group
	if len(cgroup.Paths()) == 0 {
		cgroup = group.Current(machine) // in which the container stays
	}
	if in.Rootfs.CgroupV1 = !machine.IsV2Only(); in.Rootfs.CgroupV1 && machine.V2 != nil {
		in.Rootfs.Cgroup2 = machine.V2.Mount // all of it, as on a host with only v2
	}
	in.Rootfs.Cgroup, err = hostfacts.CgroupMounts(c.Spec, machine, cgroup)
	return values, err
}

// disableCgroup is for --cgroup-manager disabled, with which Podman runs containers in
// a cgroup that it manages itself. Limits would have no effect, and are an error;
// every config.json has device rules, which are a warning.
func (c *Container) disableCgroup(machine *host.Host) error {
	const disabled = "has no effect with --cgroup-manager disabled"
	r := c.Spec.Linux.Resources
	if r != nil && len(r.Devices) > 0 {
		c.options.Warn(spec.Warning{Path: "linux.resources.devices", Text: disabled})
	}
	if c.Spec.Linux.CgroupsPath != "" {
		c.options.Warn(spec.Warning{Path: "linux.cgroupsPath", Text: disabled})
	}
	values, err := resources.CompileLimits(machine, r)
	if err != nil {
		return err
	}
	if len(values) > 0 {
		return &spec.Error{Path: values[0].Source,
			Want: "needs a cgroup, and there is none with --cgroup-manager disabled"}
	}
	c.group = group.OpenOn(machine, nil)
	return nil
}

// planGroup decides the container's cgroup.
func (c *Container) planGroup(machine *host.Host) error {
	if c.options.SystemdCgroup {
		return c.planUnit(machine)
	}
	name := c.Spec.Linux.CgroupsPath
	path, err := group.Path(name, c.options.ID)
	if err != nil {
		return &spec.Error{Path: "linux.cgroupsPath", Want: "must be a path of a cgroup", Got: fmt.Sprintf("%q", name),
			Err: err}
	}
	c.group = group.New(machine, path)
	return nil
}

// delegateCgroup gives the cgroup to the container's root if it may write to it: with its
// own user and cgroup namespaces and a writable cgroup mount (config-linux.md, "Cgroup
// ownership").
func (c *Container) delegateCgroup() error {
	setup := namespaces.Decide(c.Spec)
	if setup.New&unix.CLONE_NEWCGROUP == 0 || !setup.Has(unix.CLONE_NEWUSER) || c.hostRoot == [2]uint32{} {
		return nil
	}
	for i := range c.Spec.Mounts {
		m := &c.Spec.Mounts[i]
		o, _ := spec.ParseMountOptions(m.Options)
		if (m.Type == "cgroup" || m.Type == "cgroup2") && o.Flags&unix.MS_RDONLY == 0 {
			return c.group.Delegate(int(c.hostRoot[0]))
		}
	}
	return nil
}

// makeLayerDirectories creates the directories that receive writes to layers.
func makeLayerDirectories(in compile.Inputs) error {
	if len(in.Rootfs.Layers) == 0 {
		return nil
	}
	for _, dir := range [2]string{in.Rootfs.Upper, in.Rootfs.Work} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("directory for writes to the layers: %w", err)
		}
	}
	if !namespaces.Decide(in.Spec).Has(unix.CLONE_NEWUSER) || len(in.Spec.Linux.UIDMappings) == 0 {
		return nil
	}
	// The container's root must be allowed to write to its own root directory.
	uid, gid := int(in.Spec.Linux.UIDMappings[0].HostID), int(in.Spec.Linux.GIDMappings[0].HostID)
	for _, dir := range [2]string{in.Rootfs.Upper, in.Rootfs.Work} {
		if err := os.Chown(dir, uid, gid); err != nil {
			return fmt.Errorf("directory for writes to the layers: %w", err)
		}
	}
	return nil
}
