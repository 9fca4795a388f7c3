package container

import (
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/cgroups/host"
	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/spec"
)

// Planned is everything that `run` would do for a container until its program runs, in
// minirun and in the new process.
type Planned struct {
	Birth
	Bundle string
	Dirs   []string  // of the cgroup, which minirun creates
	Values []Written // the values that it writes to its files
}

// An imagined host is one on which a plan would run, but not now.
type imagined struct{ host *host.Host }

func (o *Options) cgroupHost() (*host.Host, error) {
	if o.imagined != nil && o.imagined.host != nil {
		return o.imagined.host, nil
	}
	return host.Detect()
}

// rootless reports whether the user who runs the container is not root.
func (o *Options) rootless() bool { return o.imagined == nil && rootless() }

// PlanOf returns what `run` would do, without a side effect and without privilege.
// host is one with other cgroups than this one, or nil. An unprivileged user is shown
// root's plan if the container has no user namespace, without which that user could
// not run it.
func PlanOf(o Options, machine *host.Host) (*Planned, error) {
	o.startsAtOnce, o.attends = true, true // the plan of `run`
	if machine != nil {
		o.imagined = &imagined{machine}
	} else if namespaces.Unprivileged() && !wantsUserNamespace(o.Bundle) {
		o.imagined = &imagined{}
	}
	c, inputs, values, err := prepare(o)
	if err != nil {
		return nil, err
	}
	p, setup := Compile(inputs)
	out := &Planned{Birth: Birth{o.ID, c.spec, p, setup.Cloneflags()}, Bundle: c.options.Bundle, Dirs: c.group.Dirs()}
	out.Values = append(written(c.group, values, false), written(c.group, values, true)...)
	return out, nil
}

func wantsUserNamespace(bundle string) bool {
	bundle, err := bundlePath(bundle)
	if err != nil {
		return false
	}
	s, _, err := spec.Load(bundle)
	return err == nil && s.Linux != nil && namespaces.Decide(s).Has(unix.CLONE_NEWUSER)
}
