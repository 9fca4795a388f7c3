// Package config changes the configuration of a container according to docker's flags: limits,
// capabilities, confinement, devices and shared namespaces.
//
//	settings.go  what the flags are about
//	apply.go     settings → changes of config.json (pure); shared.go: namespaces; devices.go
//	host.go      what this host has
package config

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/image"
)

// Apply changes a configuration according to the flags.
func (s *Settings) Apply(c *specs.Spec, h Host) error {
	c.Root.Readonly = s.ReadOnly
	c.Hostname, c.Domainname = s.Hostname, s.Domainname
	if c.Hostname == "" {
		c.Hostname = s.Name
	}
	c.Process.Rlimits, c.Process.OOMScoreAdj = s.Rlimits, s.OOMScoreAdj
	s.applyResources(c, h)
	if h.Network != "host" { // as in Docker: in its own network there is nothing to protect from its users
		c.Linux.Sysctl = map[string]string{"net.ipv4.ip_unprivileged_port_start": "0",
			"net.ipv4.ping_group_range": "0 2147483647"}
	}
	for name, value := range s.Sysctl {
		if c.Linux.Sysctl == nil {
			c.Linux.Sysctl = map[string]string{}
		}
		c.Linux.Sysctl[name] = value
	}
	if s.ShmSize != 0 {
		setOption(MountAt(c, "/dev/shm"), "size=", strconv.FormatInt(s.ShmSize, 10))
	}
	if err := s.applyNamespaces(c, h); err != nil {
		return err
	}
	if err := s.applyCapabilities(c, h); err != nil {
		return err
	}
	if err := s.applyDevices(c, h); err != nil {
		return err
	}
	return s.confine(c, h)
}

// CgroupParentVariable names the environment variable with the default of --cgroup-parent. Stores that do not
// know each other may have containers with the same name.
const CgroupParentVariable = "MINIRUN_CGROUP_PARENT"

// applyResources sets the limits of the cgroup and its place.
func (s *Settings) applyResources(c *specs.Spec, h Host) {
	r := c.Linux.Resources
	r.Memory, r.CPU, r.Pids, r.BlockIO = s.Resources.Memory, s.Resources.CPU, s.Resources.Pids, s.Resources.BlockIO
	switch {
	case s.CgroupParent == "":
	case h.Systemd:
		c.Linux.CgroupsPath = s.CgroupParent + ":minirun:" + s.Name
	default:
		c.Linux.CgroupsPath = "/" + strings.Trim(s.CgroupParent, "/") + "/" + s.Name
	}
}

func (s *Settings) applyCapabilities(c *specs.Spec, h Host) error {
	add := s.CapAdd
	if s.Privileged {
		add = append(slices.Clone(add), "ALL")
	}
	if len(add)+len(s.CapDrop) == 0 {
		return nil
	}
	known, own := h.Capabilities()
	caps, err := image.Capabilities(add, s.CapDrop, known, own)
	if err != nil {
		return err
	}
	image.SetCapabilities(c.Process.Capabilities, caps)
	return nil
}

// confine sets the seccomp profile, Docker's unless another one is given, the AppArmor profile, minirun's
// unless another one is given, and the masked paths.
func (s *Settings) confine(c *specs.Spec, h Host) error {
	o := s.Security
	c.Process.NoNewPrivileges = o.NoNewPrivileges
	switch {
	case o.AppArmor == "unconfined", o.AppArmor == "" && s.Privileged:
	case o.AppArmor == "":
		c.Process.ApparmorProfile = h.AppArmor
	default:
		c.Process.ApparmorProfile = o.AppArmor
	}
	if o.Unmasked || s.Privileged {
		c.Linux.MaskedPaths, c.Linux.ReadonlyPaths = nil, nil
	}
	if s.Privileged {
		for _, path := range []string{"/sys", "/sys/fs/cgroup"} {
			if m := MountAt(c, path); m != nil {
				m.Options = slices.DeleteFunc(m.Options, func(o string) bool { return o == "ro" })
			}
		}
	}
	var err error
	switch {
	case o.Seccomp == "unconfined", o.Seccomp == "" && s.Privileged:
		return nil
	case o.Seccomp == "", o.Seccomp == "builtin":
		c.Linux.Seccomp, err = seccomp.GetDefaultProfile(c)
	default:
		var text []byte
		if text, err = os.ReadFile(o.Seccomp); err == nil {
			c.Linux.Seccomp, err = seccomp.LoadProfile(string(text), c)
		}
	}
	if err != nil {
		return fmt.Errorf("seccomp profile: %w", err)
	}
	return nil
}

// MountAt returns the mount with a destination, nil if there is none.
func MountAt(c *specs.Spec, destination string) *specs.Mount {
	for i := range c.Mounts {
		if c.Mounts[i].Destination == destination {
			return &c.Mounts[i]
		}
	}
	return nil
}

// setOption replaces the value of an option of a mount.
func setOption(m *specs.Mount, prefix, value string) {
	if m == nil {
		return
	}
	m.Options = slices.DeleteFunc(m.Options, func(o string) bool { return strings.HasPrefix(o, prefix) })
	m.Options = append(m.Options, prefix+value)
}
