package executor

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/build/graph"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/spec"
)

// hostname is the same for every step's container, so that no host name ends up in a layer.
const hostname = "minirun-build"

func hostnameOf(op *graph.Run) string { return cmp.Or(op.Hostname, hostname) }

// facts are what a configuration depends on, in addition to the instruction.
type facts struct {
	user     specs.User
	network  string // host or none
	terminal bool
	unified  bool     // cgroup v2
	rootless bool     // in a user namespace
	noTTY    bool     // the user namespace does not map group tty
	masks    []string // masked paths that depend on the host

	// For RUN --security=insecure:
	capabilities []string // all capabilities of the builder itself
	devices      []specs.LinuxDevice
}

// newConfig creates the config.json of a step, without its layers and mounts.
func newConfig(op *graph.Run, f facts) (*specs.Spec, error) {
	if len(op.Argv) == 0 {
		return nil, fmt.Errorf("the command is empty")
	}
	if !filepath.IsAbs(op.Cwd) {
		return nil, fmt.Errorf("working directory %q is not absolute", op.Cwd)
	}
	c := image.Defaults()
	p := c.Process
	p.Args, p.User, p.Cwd, p.Terminal = op.Argv, f.user, op.Cwd, f.terminal
	p.Env = image.Environment(op.Env, image.Wishes{Terminal: f.terminal})
	c.Hostname = hostnameOf(op)
	applyLimits(c, op.Limits)
	c.Annotations = map[string]string{}
	c.Linux.MaskedPaths = append(c.Linux.MaskedPaths, f.masks...)
	if f.unified {
		c.Linux.Namespaces = append(c.Linux.Namespaces, specs.LinuxNamespace{Type: specs.CgroupNamespace})
	}
	if f.network == "host" {
		c.Linux.Namespaces = slices.DeleteFunc(
			c.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == specs.NetworkNamespace },
		)
	}
	if f.rootless {
		adaptToUserNamespace(c, f.network)
	}
	if f.noTTY {
		spec.DropTTYGroup(c.Mounts)
	}
	if op.Insecure {
		allowEverything(c, f)
	}
	if err := limitResources(c, op.Limits, f.rootless); err != nil || op.Insecure {
		return c, err
	}
	if f.network == "host" {
		dropRawSockets(p.Capabilities)
	}
	var err error
	if c.Linux.Seccomp, err = seccomp.GetDefaultProfile(c); err != nil {
		return nil, fmt.Errorf("cannot create the seccomp profile: %w", err)
	}
	return c, nil
}

// applyLimits applies --ulimit and --shm-size.
func applyLimits(c *specs.Spec, l graph.Limits) {
	c.Process.Rlimits = append(c.Process.Rlimits, l.Rlimits...)
	for i := range c.Mounts {
		m := &c.Mounts[i]
		if m.Destination == "/dev/shm" && l.ShmSize > 0 {
			m.Options = append(
				slices.DeleteFunc(m.Options, func(o string) bool { return strings.HasPrefix(o, "size=") }),
				"size="+strconv.FormatInt(l.ShmSize, 10),
			)
		}
	}
}

// limitResources applies --resource. Without root a container has no cgroup that could have
// limits.
func limitResources(c *specs.Spec, l graph.Limits, rootless bool) error {
	switch {
	case rootless && l.Resources != nil:
		return errors.New("--resource needs root, because a build in a user namespace has no cgroups")
	case rootless && l.CgroupParent != "":
		return errors.New("--cgroup-parent needs root, because a build in a user namespace has no cgroups")
	case l.Resources == nil:
		return nil
	}
	if c.Linux.Resources == nil {
		c.Linux.Resources = &specs.LinuxResources{}
	}
	c.Linux.Resources.Memory, c.Linux.Resources.CPU = l.Resources.Memory, l.Resources.CPU
	return nil
}

// dropRawSockets removes CAP_NET_RAW: in the host's network a Dockerfile could read and
// forge the packets of all of the host's programs (packet(7), raw(7)).
func dropRawSockets(sets *specs.LinuxCapabilities) {
	for _, set := range []*[]string{&sets.Bounding, &sets.Effective, &sets.Inheritable, &sets.Permitted, &sets.Ambient} {
		*set = slices.DeleteFunc(slices.Clone(*set), func(name string) bool { return name == "CAP_NET_RAW" })
	}
}

// adaptToUserNamespace removes what is not possible in the user namespace in which the builder already
// runs.
func adaptToUserNamespace(c *specs.Spec, network string) {
	c.Linux.Resources = nil
	for i := range c.Mounts {
		m := &c.Mounts[i]
		if m.Destination == "/sys" && network == "host" { // a sysfs belongs to a network namespace
			m.Type, m.Source, m.Options = "bind", "/sys", append([]string{"rbind", "rro"}, m.Options...)
		}
	}
}

// allowEverything implements RUN --security=insecure, equivalent to a privileged Docker container.
func allowEverything(c *specs.Spec, f facts) {
	image.SetCapabilities(c.Process.Capabilities, f.capabilities)
	c.Linux.MaskedPaths, c.Linux.ReadonlyPaths = nil, nil
	for i := range c.Mounts {
		m := &c.Mounts[i]
		if m.Type == "sysfs" || strings.HasPrefix(m.Type, "cgroup") {
			m.Options = slices.DeleteFunc(m.Options, func(o string) bool { return o == "ro" || o == "rro" })
		}
	}
	if f.rootless {
		return
	}
	c.Linux.Devices = f.devices
	c.Linux.Resources = &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{{Allow: true, Access: "rwm"}}}
}

// resolveNetwork returns the mode that a step requests.
func resolveNetwork(asked, standard string) (string, error) {
	if asked == "" || asked == "default" {
		asked = standard
	}
	switch asked {
	case "", "host":
		return "host", nil
	case "none":
		return "none", nil
	}
	return "", fmt.Errorf("unknown network %q\nhint: use default, host or none", asked)
}

// capabilityNames lists the names in a capability set in the format of /proc/PID/status.
func capabilityNames(set uint64) (out []string) {
	for n, name := range spec.CapabilityNames() {
		if set&(1<<n) != 0 {
			out = append(out, name)
		}
	}
	return out
}
