package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/container/control"
	"github.com/minirun/minirun/internal/spec"
)

// applyNamespaces sets which namespaces the container has, and which ones it shares.
func (s *Settings) applyNamespaces(c *specs.Spec, h host) error {
	n := s.Namespaces
	if h.unified && n.Cgroup != "host" || n.Cgroup == "private" {
		c.Linux.Namespaces = append(c.Linux.Namespaces, specs.LinuxNamespace{Type: specs.CgroupNamespace})
	}
	for _, share := range []struct {
		kind specs.LinuxNamespaceType
		mode string
	}{{specs.NetworkNamespace, h.network}, {specs.IPCNamespace, n.IPC}, {specs.PIDNamespace, n.PID},
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
		removeMount(c, "/dev/shm")
	case "host":
		if s.ShmSize != 0 {
			return errors.New("--shm-size has no effect with --ipc host, which shares the host's /dev/shm")
		}
		if m := mountAt(c, "/dev/shm"); m != nil {
			m.Type, m.Source, m.Options = "bind", "/dev/shm", []string{"rbind", "rprivate"}
		}
	}
	return nil
}

// shareNamespace makes a container use the host's namespace or another container's.
func shareNamespace(c *specs.Spec, kind specs.LinuxNamespaceType, mode string, h host) error {
	other, joins := strings.CutPrefix(mode, "container:")
	switch {
	case mode == "host":
		c.Linux.Namespaces = slices.DeleteFunc(c.Linux.Namespaces,
			func(n specs.LinuxNamespace) bool { return n.Type == kind })
	case joins:
		pid, err := h.processOf(other)
		if err != nil {
			return err
		}
		joinNamespace(c, kind, pid)
	}
	return nil
}

func removeMount(c *specs.Spec, destination string) {
	c.Mounts = slices.DeleteFunc(c.Mounts, func(m specs.Mount) bool { return m.Destination == destination })
}

// processOf returns the first process of a running container whose processes another one shares.
func (e *Engine) processOf(id string) (int, error) {
	if _, err := e.Record(id); err != nil {
		return 0, fmt.Errorf("--pid container:%s: %w", id, err)
	}
	state, err := control.State(e.Root, id)
	if err != nil || state.Pid == 0 {
		return 0, fmt.Errorf("--pid container:%s: container %[1]s is not running\nhint: minirun start %[1]s", id)
	}
	return state.Pid, nil
}

// rejoin updates the configuration of a container that shares the processes of another one, whose first
// process changes whenever it starts.
func (e *Engine) rejoin(r *Record) error {
	other, joins := strings.CutPrefix(r.Namespaces.PID, "container:")
	if !joins {
		return nil
	}
	pid, err := e.processOf(other)
	if err != nil {
		return err
	}
	dir := e.Store.Container(r.Container)
	c, _, err := spec.Load(dir)
	if err != nil {
		return err
	}
	joinNamespace(c, specs.PIDNamespace, pid)
	text, err := spec.Compact(c)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "config.json"), text, 0o600)
}

func joinNamespace(c *specs.Spec, kind specs.LinuxNamespaceType, pid int) {
	for i := range c.Linux.Namespaces {
		if n := &c.Linux.Namespaces[i]; n.Type == kind {
			n.Path = fmt.Sprintf("/proc/%d/ns/%s", pid, kind)
		}
	}
}
