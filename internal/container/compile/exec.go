package compile

import (
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/handshake"
	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/process"
)

// ExecInputs contain everything that the plan of a process of `exec` depends on.
type ExecInputs struct {
	Spec       *specs.Spec // the container's, with the process to run
	Process    process.Input
	Pid        int      // of the container's first process
	Namespaces uintptr  // CLONE_NEW*: its namespaces that are not minirun's own
	Cgroups    []string // files that accept "0": `tasks` of v1, `cgroup.procs` of v2
	Cgroup2    *os.File // the v2 cgroup that the process is created in, if any
	Scope      bool     // systemd moves the process into it instead
}

// Exec compiles the plan of a process that joins a container. It is Container
// without the parts that the container already has. Processes of the container see the
// new one from EnterPID on, so everything that they must not reach comes earlier.
func Exec(in ExecInputs) *plan.Plan {
	in.Process.UserNS = in.Process.UserNS || in.Namespaces&unix.CLONE_NEWUSER != 0
	in.Process.ClonedLast = in.Namespaces&unix.CLONE_NEWPID != 0
	b := plan.NewBuilder(3 + in.Process.Preserve)
	parent := handshake.New(b)
	proc := process.New(b, parent, in.Spec, in.Process)

	proc.Outside()
	proc.Hide()
	askScope(b, parent, in.Scope)
	proc.Prepare()
	tasks := openCgroups(b, in.Cgroups)
	namespaces.Enter(b, in.Namespaces, in.Pid, in.Process.Rootless)
	if in.Namespaces&unix.CLONE_NEWNS == 0 {
		namespaces.EnterRoot(b, in.Pid)
	}
	joinCgroups(b, in.Cgroups, tasks)
	proc.Inside()
	proc.Identity()
	if in.Process.ClonedLast {
		namespaces.EnterPID(b, parent)
		proc.Arrive()
	}
	proc.Exec()
	return b.Plan()
}

// JoinCgroup2 makes the process move itself into its v2 cgroup, instead of being
// created there.
func (in *ExecInputs) JoinCgroup2(path string) {
	in.Cgroup2, in.Cgroups = nil, append(in.Cgroups, path+"/cgroup.procs")
}
