package container

import (
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/handshake"
	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/process"
	"github.com/minirun/minirun/internal/rootfs"
	"github.com/minirun/minirun/internal/seccomp"
)

// Inputs are all that a plan depends on: the spec, and facts and choices that
// were looked up beforehand. Compile is a pure function of them.
type Inputs struct {
	Spec       *specs.Spec
	Namespaces namespaces.Input
	Rootfs     rootfs.Input
	Process    process.Input
}

// Compile makes the plan of a container's first process, and says with which
// namespaces it is born. It is the table of contents of a container.
func Compile(in Inputs) (*plan.Plan, namespaces.Setup) {
	s := in.Spec
	setup := namespaces.Decide(s)
	in.Rootfs.MountNS = setup.Has(unix.CLONE_NEWNS)
	in.Rootfs.UserNS = setup.Has(unix.CLONE_NEWUSER)
	in.Rootfs.CgroupNS = setup.New&unix.CLONE_NEWCGROUP != 0
	in.Process.UserNS = in.Rootfs.UserNS

	b := plan.NewBuilder(3 + in.Process.Preserve)
	parent := handshake.New(b)
	root := rootfs.New(b, parent, s, in.Rootfs)
	proc := process.New(b, parent, s, in.Process)

	root.Prepare()
	namespaces.Compile(b, parent, s, setup, in.Namespaces)
	proc.Begin()
	namespaces.Names(b, s, setup)
	namespaces.JoinMount(b, setup)
	root.Compile()
	b.In(plan.Sync, "")
	parent.Ask("in its cgroups; hooks: prestart, createRuntime, createContainer", b.Message(handshake.Mounted))
	root.Finish()
	root.Pivot()
	proc.Identity()
	proc.Exec()
	return b.Plan(), setup
}

// CompileSeccomp is nil for a spec without seccomp.
func CompileSeccomp(s *specs.Spec) (*seccomp.Program, error) {
	if s.Linux == nil || s.Linux.Seccomp == nil {
		return nil, nil
	}
	return seccomp.Compile(s.Linux.Seccomp, seccomp.NativeArch())
}
