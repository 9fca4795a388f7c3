package volumes

import (
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// SpecOf returns the mount of config.json. source is the directory or file that is bound.
func (m *Mount) SpecOf(source string) specs.Mount {
	if m.Type == Tmpfs {
		return specs.Mount{Destination: m.Target, Type: Tmpfs, Source: Tmpfs, Options: m.tmpfsOptions()}
	}
	options := []string{"rbind"}
	if m.NonRecursive {
		options[0] = "bind"
	}
	switch {
	case m.ReadOnly && (m.WritableChildren || m.NonRecursive):
		options = append(options, "ro")
	case m.ReadOnly:
		options = append(options, "rro")
	}
	options = append(options, m.Options...)
	if !slices.ContainsFunc(propagations[:], func(p string) bool { return slices.Contains(options, p) }) {
		options = append(options, "rprivate")
	}
	return specs.Mount{Destination: m.Target, Type: Bind, Source: source, Options: options}
}

// tmpfsOptions returns the options of a tmpfs: Docker's defaults, unless the opposite is given.
func (m *Mount) tmpfsOptions() (options []string) {
	for _, o := range []string{"nosuid", "nodev", "noexec"} {
		if !slices.Contains(m.Options, strings.TrimPrefix(o, "no")) && !slices.Contains(m.Options, o) {
			options = append(options, o)
		}
	}
	if m.ReadOnly {
		options = append(options, "ro")
	}
	return append(options, m.Options...)
}

// DriverMount returns the mount for a volume with options of the driver local: type, device and o,
// as for mount(8). ok is false if the volume is an ordinary directory.
func (m *Mount) DriverMount(options map[string]string) (mount specs.Mount, ok bool) {
	kind, device := options["type"], options["device"]
	if kind == "" && device == "" {
		return specs.Mount{}, false
	}
	mount = specs.Mount{Destination: m.Target, Type: kind, Source: device}
	if o := options["o"]; o != "" {
		mount.Options = strings.Split(o, ",")
	}
	if kind == "" || kind == "none" {
		mount.Type = Bind
	}
	if kind == Tmpfs && device == "" {
		mount.Source = Tmpfs
	}
	if m.ReadOnly {
		mount.Options = append(mount.Options, "ro")
	}
	mount.Options = append(mount.Options, m.Options...)
	return mount, true
}
