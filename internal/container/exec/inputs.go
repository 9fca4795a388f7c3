package exec

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/container/compile"
	"github.com/minirun/minirun/internal/container/hostfacts"
	"github.com/minirun/minirun/internal/container/terminal"
	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/process"
	"github.com/minirun/minirun/internal/spec"
)

// gatherInputs looks up what the plan depends on, without a side effect.
func (e *execution) gatherInputs(o *Options) (compile.ExecInputs, error) {
	s, _, err := spec.Load(e.record.Bundle) // create has printed its warnings
	if err != nil {
		return compile.ExecInputs{}, err
	}
	if s.Linux == nil {
		s.Linux = &specs.Linux{}
	}
	p, err := o.determineProcess(s)
	if err != nil {
		return compile.ExecInputs{}, err
	}
	if err := o.checkTerminal(p.Terminal); err != nil {
		return compile.ExecInputs{}, err
	}
	if p.Terminal && !o.Detach {
		if e.Settings.Terminal, err = terminal.FindCallers(); err != nil {
			return compile.ExecInputs{},
				fmt.Errorf("exec: --tty: %w\nhint: run it in a terminal, or give --detach and --console-socket", err)
		}
	}
	first := s.Process
	if first == nil {
		first = &specs.Process{}
	}
	s.Process, s.Hooks = p, nil
	if err := hostfacts.CheckLabels(s); err != nil {
		return compile.ExecInputs{}, err
	}
	e.Spec, e.Roots, e.RootsMounted = s, []string{e.rootPath()}, true
	in := compile.ExecInputs{Spec: s, Pid: e.record.Pid}
	if in.Namespaces, err = foreignNamespaces(e.record.Pid); err != nil {
		return in, err
	}
	if in.Process, err = (&hostfacts.Query{
		Spec: s, ID: o.ID, NoKeyring: e.record.NoKeyring, PreserveFDs: o.PreserveFDs,
		StartsLater: true, Attended: !o.Detach, Warn: o.Warn,
	}).Process(namespaces.Setup{New: in.Namespaces}); err != nil {
		return in, err
	}
	in.Process.KeepGroups = in.Process.KeepGroups && len(o.Gids) == 0
	in.Process.DieWithParent = false // that is for the first process
	in.Process.Waits = false         // it is started by this command
	in.Process.Init = false          // the container has one already
	in.Process.Unasked = (in.Process.Rlimits || len(p.Rlimits) == 0) && o.PidFDSocket == "" && e.record.IntelRdt == nil
	in.Process.FilterLast, err = compile.FilterLast(p, first, &in.Process, in.Namespaces&unix.CLONE_NEWPID != 0)
	if err != nil {
		return in, err
	}
	if !process.HasHome(p.Env) {
		p.Env = append(process.Environment(p.Env), "HOME="+e.findHome())
	}
	return in, e.findCgroups(&in, o)
}

// findHome looks up the user's home directory in the container's /etc/passwd.
func (e *execution) findHome() string {
	root, err := unix.Open(e.rootPath(), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "/"
	}
	defer func() { _ = unix.Close(root) }()
	home, err := e.FindHomeIn(root, unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_MAGICLINKS)
	if err != nil {
		return "/" // not readable: so the home directory is unknown
	}
	return home
}

// namespaceKinds lists the namespaces with their names in /proc/PID/ns.
var namespaceKinds = [...]struct {
	name string
	flag uintptr
}{
	{"user", unix.CLONE_NEWUSER}, {"mnt", unix.CLONE_NEWNS}, {"uts", unix.CLONE_NEWUTS}, {"ipc", unix.CLONE_NEWIPC},
	{"pid", unix.CLONE_NEWPID}, {"cgroup", unix.CLONE_NEWCGROUP}, {"net", unix.CLONE_NEWNET},
	{"time", unix.CLONE_NEWTIME},
}

// foreignNamespaces returns the namespaces of a process that this one is not in. Shared ones
// need not be joined, and a shared user namespace cannot (EINVAL).
func foreignNamespaces(pid int) (uintptr, error) {
	var flags uintptr
	for _, k := range namespaceKinds {
		var own, its unix.Stat_t
		if err := unix.Stat("/proc/self/ns/"+k.name, &own); errors.Is(err, unix.ENOENT) {
			continue // the kernel is built without it
		} else if err != nil {
			return 0, &fs.PathError{Op: "stat", Path: "/proc/self/ns/" + k.name, Err: err}
		}
		path := "/proc/" + strconv.Itoa(pid) + "/ns/" + k.name
		if err := unix.Stat(path, &its); err != nil {
			return 0, fmt.Errorf("examine the container's namespaces: %w",
				&fs.PathError{Op: "stat", Path: path, Err: err})
		}
		if own.Ino != its.Ino || own.Dev != its.Dev {
			flags |= k.flag
		}
	}
	return flags, nil
}
