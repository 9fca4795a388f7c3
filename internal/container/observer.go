package container

import (
	"fmt"
	"strings"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/cgroups/group"
	"github.com/minirun/minirun/internal/cgroups/resources"
	"github.com/minirun/minirun/internal/container/observer"
)

// reportLimits reports cgroup values that were written.
func (c *Container) reportLimits(begin time.Time, late bool) {
	if c.Settings.Observer == nil {
		return
	}
	if values := listValues(c.group, c.values, late); len(values) > 0 {
		c.Report(begin, observer.Action{
			What:   fmt.Sprintf("limit the cgroup: %d values", len(values)),
			Why:    "each is read back: the container is stopped if the kernel did not accept one",
			Source: "linux.resources",
			Values: values,
		})
	}
}

// reportMaps reports the ID maps.
func (c *Container) reportMaps(begin time.Time) {
	if c.Settings.Observer == nil {
		return
	}
	proc := fmt.Sprintf("/proc/%d/", c.Proc.Pid)
	for _, m := range []struct {
		file, source string
		maps         []specs.LinuxIDMapping
	}{{"uid_map", "linux.uidMappings", c.Spec.Linux.UIDMappings},
		{"gid_map", "linux.gidMappings", c.Spec.Linux.GIDMappings}} {
		var lines []string
		for _, l := range m.maps {
			lines = append(lines, fmt.Sprintf("%d %d %d", l.ContainerID, l.HostID, l.Size))
		}
		text := strings.Join(lines, "\n")
		c.Report(begin, observer.Action{
			What:   fmt.Sprintf("map IDs: write %q to %s", text, proc+m.file),
			Why:    "ID inside, ID on the host, count: until then the process is nobody",
			Source: m.source,
			Values: []observer.Written{{File: proc + m.file, Value: text, Source: m.source}},
		})
	}
}

// listValues returns the files of cgroup values.
func listValues(g *group.Group, values []resources.Value, late bool) (out []observer.Written) {
	for i := range values {
		v := &values[i]
		if v.Late != late {
			continue
		}
		w := observer.Written{File: v.Path(g), Value: v.Value, Source: v.Source, Unit: v.Unit}
		if w.File == "" { // a device program is attached to the directory
			w.File, w.Program = g.Dirs()[0], true
		}
		out = append(out, w)
	}
	return out
}
