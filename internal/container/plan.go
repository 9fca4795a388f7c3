package container

import (
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/cgroups/host"
	"github.com/minirun/minirun/internal/container/compile"
	"github.com/minirun/minirun/internal/container/hostfacts"
	"github.com/minirun/minirun/internal/container/observer"
	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/spec"
)

// RunPlan is everything that `run` would do for a container until its program runs, in
// minirun and in the new process.
type RunPlan struct {
	observer.Start
	Bundle string
	Dirs   []string           // of the cgroup, which minirun creates
	Values []observer.Written // the values that it writes to its files

	Assumptions []string // facts that were not read on this machine
}

// An otherHost is one on which a plan would run, but not now.
type otherHost struct {
	cgroups *host.Host // nil: as on this host
}

func (p *purpose) cgroupHost() (*host.Host, error) {
	if p.otherHost != nil && p.otherHost.cgroups != nil {
		return p.otherHost.cgroups, nil
	}
	return host.Detect()
}

// PlanRun returns what `run` would do, without a side effect and without privilege.
// machine is one with other cgroups than this one, or nil. An unprivileged user is shown
// root's plan if the container has no user namespace, without which that user could
// not run it.
func PlanRun(o Options, machine *host.Host) (*RunPlan, error) {
	p := purpose{starts: true, attends: true} // those of `run`
	var assumptions []string
	if machine == nil {
		if _, err := host.Detect(); err != nil { // a plan only computes: a chroot without /sys is enough
			machine = host.Typical(host.V2)
			assumptions = append(assumptions, "cgroup version 2, with all controllers: "+
				"no cgroup file system is mounted here")
		}
	}
	if machine != nil {
		p.otherHost = &otherHost{machine}
	} else if namespaces.Unprivileged() && !wantsUserNamespace(o.Bundle) {
		p.otherHost = &otherHost{}
		assumptions = append(assumptions, "root runs it: without a user namespace, this user could not")
	}
	c, inputs, err := prepare(o, p)
	if err != nil {
		return nil, err
	}
	thePlan, setup := compile.Container(inputs)
	out := &RunPlan{Start: observer.Start{ID: o.ID, Spec: c.Spec, Plan: thePlan, Cloneflags: setup.Cloneflags()},
		Bundle: c.options.Bundle, Dirs: c.group.Dirs(), Assumptions: assumptions}
	out.Values = append(listValues(c.group, c.values, false), listValues(c.group, c.values, true)...)
	return out, nil
}

func wantsUserNamespace(bundle string) bool {
	bundle, err := hostfacts.FindBundle(bundle)
	if err != nil {
		return false
	}
	s, _, err := spec.Load(bundle)
	return err == nil && s.Linux != nil && namespaces.Decide(s).Has(unix.CLONE_NEWUSER)
}
