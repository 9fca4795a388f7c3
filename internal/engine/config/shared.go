package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// applyNamespaces sets which namespaces the container has, and which ones it shares.
func (s *Settings) applyNamespaces(c *specs.Spec, h Host) error {
	n := s.Namespaces
	if h.Unified && n.Cgroup != "host" || n.Cgroup == "private" {
		c.Linux.Namespaces = append(c.Linux.Namespaces, specs.LinuxNamespace{Type: specs.CgroupNamespace})
	}
	if h.Network == "host" { // package connection joins other networks
		removeNamespace(c, specs.NetworkNamespace)
	}
	for _, share := range []struct {
		kind specs.LinuxNamespaceType
		mode string
	}{{specs.IPCNamespace, n.IPC}, {specs.PIDNamespace, n.PID},
		{specs.UTSNamespace, n.UTS}} {
		if err := shareNamespace(c, share.kind, share.mode, h); err != nil {
			return err
		}
	}
	if n.UTS == "host" {
		c.Hostname = ""
	}
	switch n.IPC {
	case "none":
		RemoveMount(c, "/dev/shm")
	case "host":
		if s.ShmSize != 0 {
			return errors.New("--shm-size has no effect with --ipc host, which shares the host's /dev/shm")
		}
		if m := MountAt(c, "/dev/shm"); m != nil {
			m.Type, m.Source, m.Options = "bind", "/dev/shm", []string{"rbind", "rprivate"}
		}
	}
	return nil
}

// shareNamespace makes a container use the host's namespace or another container's.
func shareNamespace(c *specs.Spec, kind specs.LinuxNamespaceType, mode string, h Host) error {
	other, joins := strings.CutPrefix(mode, "container:")
	switch {
	case mode == "host":
		removeNamespace(c, kind)
	case joins:
		pid, err := h.ProcessOf(other)
		if err != nil {
			return err
		}
		JoinNamespace(c, kind, pid)
	}
	return nil
}

// RemoveMount removes the mount with a destination.
func RemoveMount(c *specs.Spec, destination string) {
	c.Mounts = slices.DeleteFunc(c.Mounts, func(m specs.Mount) bool { return m.Destination == destination })
}

func removeNamespace(c *specs.Spec, kind specs.LinuxNamespaceType) {
	c.Linux.Namespaces = slices.DeleteFunc(c.Linux.Namespaces,
		func(n specs.LinuxNamespace) bool { return n.Type == kind })
}

// JoinNamespace makes a container join the namespace of a process.
func JoinNamespace(c *specs.Spec, kind specs.LinuxNamespaceType, pid int) {
	for i := range c.Linux.Namespaces {
		if n := &c.Linux.Namespaces[i]; n.Type == kind {
			n.Path = fmt.Sprintf("/proc/%d/ns/%s", pid, kind)
		}
	}
}
