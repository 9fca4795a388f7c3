// Package compile turns a specification, and facts about the host that were looked up
// beforehand, into the plan of a container's first process or of a process of `exec`.
// Everything here is a pure function: no file is read, and nothing is changed.
package compile

import (
	"fmt"
	"path/filepath"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/handshake"
	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/process"
	"github.com/minirun/minirun/internal/rootfs"
	"github.com/minirun/minirun/internal/seccomp"
	"github.com/minirun/minirun/internal/spec"
)

// Inputs contain everything that a plan depends on: the spec, and facts and choices
// that were looked up beforehand. Container is a pure function of them.
type Inputs struct {
	Spec       *specs.Spec
	Namespaces namespaces.Input
	Rootfs     rootfs.Input
	Process    process.Input
	// Scope is true if the process is created outside its cgroup, which systemd then
	// creates for it.
	Scope bool
	// Cgroups are the `tasks` files of the v1 hierarchies to join. On cgroup v2 the
	// process is created in its cgroup.
	Cgroups []string
}

// Container compiles the plan of a container's first process, and returns the namespaces
// that it is created in. It is the table of contents of a container.
func Container(in Inputs) (*plan.Plan, namespaces.Setup) {
	s := in.Spec
	setup := namespaces.Decide(s)
	in.Rootfs.MountNS = setup.Has(unix.CLONE_NEWNS)
	in.Rootfs.NewMountNS = setup.New&unix.CLONE_NEWNS != 0
	in.Rootfs.UserNS = setup.Has(unix.CLONE_NEWUSER)
	in.Rootfs.CgroupNS = setup.Has(unix.CLONE_NEWCGROUP)
	in.Process.UserNS = in.Process.UserNS || in.Rootfs.UserNS // minirun's own, or one for the container
	in.Process.ClonedLast, in.Rootfs.ClonedLast = in.Namespaces.CloneLast, in.Namespaces.CloneLast

	hooks := s.Hooks
	if hooks == nil {
		hooks = &specs.Hooks{}
	}

	b := plan.NewBuilder(3 + in.Process.Preserve)
	parent := handshake.New(b)
	root := rootfs.New(b, parent, s, in.Rootfs)
	proc := process.New(b, parent, s, in.Process)

	proc.Hide()
	askScope(b, parent, in.Scope)
	root.Prepare()
	proc.Prepare()
	tasks := openCgroups(b, in.Cgroups)
	namespaces.Compile(b, parent, s, setup, in.Namespaces)
	joinCgroups(b, in.Cgroups, tasks)
	namespaces.CreateCgroupNamespace(b, setup)
	proc.Begin()
	namespaces.ConfigureKernel(b, parent, s, setup)
	if setup.Joined(unix.CLONE_NEWNS) {
		root.Lock()
		namespaces.JoinMount(b, setup)
		root.Joined()
	}
	root.Compile()
	if len(hooks.Prestart)+len(hooks.CreateRuntime)+len(hooks.CreateContainer)+len(hooks.StartContainer) > 0 {
		b.In(plan.Sync, "hooks")
		parent.Ask("prestart and createRuntime see the mounts, before the pivot", b.Message(handshake.Mounted))
	}
	if len(hooks.CreateContainer) > 0 {
		root.Enter() // as in runc, so that a hook finds the root without knowing its path
	}
	proc.CreateContainer(hooks.CreateContainer)
	namespaces.SetNames(b, s)
	root.Finish()
	root.Pivot()
	proc.Identity()
	if in.Namespaces.CloneLast {
		namespaces.EnterPID(b, parent)
		proc.Arrive()
	}
	proc.Exec()
	return b.Plan(), setup
}

// askScope precedes everything that needs limits or the cgroup namespace.
func askScope(b *plan.Builder, parent *handshake.Parent, ask bool) {
	if ask {
		b.In(plan.Limits, "linux.cgroupsPath")
		parent.Ask("systemd creates a scope for an existing process", b.Message(handshake.Scope))
	}
}

// The process joins its v1 cgroups itself, by writing "0" to `tasks`. If a parent
// writes a PID, the kernel keeps all threads from being created or exiting while it
// moves one, which waits for an RCU grace period of up to tens of milliseconds; a
// thread that moves itself needs no such synchronization (kernel/cgroup/cgroup.c,
// cgroup_procs_write_start).
//
// The files are opened before a user namespace may make them inaccessible, and written
// after the container's init was cloned: a pids limit of one has no room for two. If
// the clone comes last, the cgroups come before it, and the parent helps if they are
// full: see namespaces.EnterPID.
func openCgroups(b *plan.Builder, files []string) []plan.Cell {
	b.In(plan.Limits, "linux.cgroupsPath")
	cells := make([]plan.Cell, len(files))
	for i, f := range files {
		cells[i] = b.Cell("tasks")
		b.Add(plan.Op{Name: "open " + f, Out: cells[i]},
			plan.Openat, plan.Int(unix.AT_FDCWD), b.Str(f), plan.Int(unix.O_WRONLY|unix.O_CLOEXEC), plan.Int(0))
	}
	return cells
}

func joinCgroups(b *plan.Builder, files []string, tasks []plan.Cell) {
	b.In(plan.Limits, "linux.cgroupsPath")
	for i, f := range files {
		b.Add(plan.Op{Name: "join " + filepath.Dir(f), Why: "0 is the process itself"},
			plan.Write, plan.Of(tasks[i]), b.Str("0"), plan.Int(1))
		b.Add(plan.Op{Name: "close"}, plan.Close, plan.Of(tasks[i]))
	}
}

// Seccomp returns nil for a spec without seccomp.
func Seccomp(s *specs.Spec) (*seccomp.Program, error) {
	if s.Linux == nil || s.Linux.Seccomp == nil {
		return nil, nil
	}
	p, err := seccomp.Compile(s.Linux.Seccomp, seccomp.NativeArch())
	if err != nil || !spec.AnnotationSet(s.Annotations, spec.AnnotationFailUnknownCall) {
		return p, err
	}
	for _, name := range p.Skipped {
		if !seccomp.KnownCall(name) {
			return nil, &spec.Error{Path: "linux.seccomp.syscalls",
				Want: fmt.Sprintf("must name system calls only: the annotation %s is set, and %q is not one",
					spec.AnnotationFailUnknownCall, name)}
		}
	}
	return p, nil
}
