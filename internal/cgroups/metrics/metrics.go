// Package metrics reads a container's resource usage with the managers of
// github.com/containerd/cgroups/v3. Its tests compare package cgroups, which reads the
// same files for `events`, with the library.
//
// It is a separate package because it must not be linked into the program that engines
// start many times: the library's managers and metrics pull in protobuf, dbus and
// ebpf, 0.7 to 0.9 ms at every start (see package cgroups).
package metrics

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/containerd/cgroups/v3/cgroup1"
	stats1 "github.com/containerd/cgroups/v3/cgroup1/stats"
	"github.com/containerd/cgroups/v3/cgroup2"
	stats2 "github.com/containerd/cgroups/v3/cgroup2/stats"
)

// Metrics is one sample: V1 for a container with v1 controllers, V2 for one that has
// only the v2 tree. The other is nil. Units are those of the library's metrics.proto:
// bytes, and nanoseconds on v1, microseconds on v2.
type Metrics struct {
	V1 *stats1.Metrics `json:"v1,omitempty"`
	V2 *stats2.Metrics `json:"v2,omitempty"`
}

// Read samples the cgroups in state.json's cgroup_paths.
func Read(paths map[string]string) (*Metrics, error) {
	if _, tree := paths[""]; tree && len(paths) == 1 {
		// The library joins mount point and group; it does not matter where the path
		// is split.
		m, err := cgroup2.Load("/"+filepath.Base(paths[""]), cgroup2.WithMountpoint(filepath.Dir(paths[""])))
		if err != nil {
			return nil, fmt.Errorf("read the statistics of %s: %w", paths[""], err)
		}
		stats, err := m.Stat()
		if err != nil {
			return nil, fmt.Errorf("read the statistics of %s: %w", paths[""], err)
		}
		return &Metrics{V2: stats}, nil
	}
	group, err := cgroup1.Load(place(paths), cgroup1.WithHierarchy(func() ([]cgroup1.Subsystem, error) { return subsystems(paths) }))
	if err != nil {
		return nil, fmt.Errorf("find the cgroups to read statistics of: %w", err)
	}
	// A missing file belongs to an accounting feature that the kernel was built
	// without (memory.memsw.*); the rest of the sample is valid.
	stats, err := group.Stat(func(err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read statistics: %w", err)
	}
	return &Metrics{V1: stats}, nil
}

// place gives the library the container's directories. It assumes that every hierarchy
// is mounted on ROOT/CONTROLLER; with "/" as ROOT, going up from /CONTROLLER with ".."
// leads to wherever the directory really is.
func place(paths map[string]string) cgroup1.Path {
	return func(name cgroup1.Name) (string, error) {
		dir, ok := paths[string(name)]
		if !ok {
			return "", cgroup1.ErrControllerNotActive
		}
		return "../" + dir, nil
	}
}

// subsystems returns those that have statistics and a directory.
func subsystems(paths map[string]string) (list []cgroup1.Subsystem, err error) {
	const root = "/"
	add := func(s cgroup1.Subsystem) {
		if paths[string(s.Name())] != "" {
			list = append(list, s)
		}
	}
	add(cgroup1.NewCpu(root))
	add(cgroup1.NewCpuacct(root))
	add(cgroup1.NewMemory(root))
	add(cgroup1.NewPids(root))
	add(cgroup1.NewBlkio(root))
	add(cgroup1.NewRdma(root))
	if paths[string(cgroup1.Hugetlb)] != "" {
		h, err := cgroup1.NewHugetlb(root)
		if err != nil {
			return nil, err
		}
		add(h)
	}
	return list, nil
}
