package container

import (
	"fmt"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/cgroups"
	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/rootfs"
	"github.com/minirun/minirun/internal/spec"
)

// cgroupInput decides the container's cgroup and the values in it, and what a
// cgroup mount shows.
func (c *Container) cgroupInput(in *Inputs) ([]cgroups.Value, error) {
	if c.options.SystemdCgroup {
		return nil, fmt.Errorf("--systemd-cgroup: the systemd driver is not supported by minirun yet: without the flag, minirun makes the cgroup itself")
	}
	host, err := cgroups.Detect()
	if err != nil {
		return nil, err
	}
	linux := c.spec.Linux
	path, err := cgroups.Path(host, linux.CgroupsPath, c.options.ID)
	if err != nil {
		return nil, &spec.Error{Path: "linux.cgroupsPath", Want: "must be a path of a cgroup", Got: fmt.Sprintf("%q", linux.CgroupsPath), Err: err}
	}
	c.group = host.Group(path)
	in.Cgroups = c.group.Tasks()
	values, err := cgroups.Compile(host, linux.Resources)
	if err != nil {
		return nil, err
	}
	in.Rootfs.Cgroup, err = cgroupMounts(c.spec, c.group)
	return values, err
}

func cgroupMounts(s *specs.Spec, group *cgroups.Group) ([]rootfs.Cgroup, error) {
	for i := range s.Mounts {
		if t := s.Mounts[i].Type; (t != "cgroup" && t != "cgroup2") || rootfs.IsBind(&s.Mounts[i]) {
			continue
		}
		var out []rootfs.Cgroup
		for _, m := range group.Mounts() {
			out = append(out, rootfs.Cgroup{Controller: m.Controller, Name: m.Name, Dir: m.Source, Aliases: m.Aliases})
		}
		if len(out) == 0 {
			return nil, &spec.Error{Path: fmt.Sprintf("mounts[%d]", i), Want: "needs cgroups mounted on the host"}
		}
		return out, nil
	}
	return nil, nil
}

// makeLayerDirectories makes the directories that take writes to layers.
func makeLayerDirectories(in Inputs) error {
	if len(in.Rootfs.Layers) == 0 {
		return nil
	}
	for _, dir := range [2]string{in.Rootfs.Upper, in.Rootfs.Work} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("directory for the layers' writes: %w", err)
		}
	}
	if !namespaces.Decide(in.Spec).Has(unix.CLONE_NEWUSER) || len(in.Spec.Linux.UIDMappings) == 0 {
		return nil
	}
	// The container's root must be allowed to write to its own root directory.
	uid, gid := int(in.Spec.Linux.UIDMappings[0].HostID), int(in.Spec.Linux.GIDMappings[0].HostID)
	for _, dir := range [2]string{in.Rootfs.Upper, in.Rootfs.Work} {
		if err := os.Chown(dir, uid, gid); err != nil {
			return fmt.Errorf("directory for the layers' writes: %w", err)
		}
	}
	return nil
}
