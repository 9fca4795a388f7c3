package exec

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/bootstrap"
	"github.com/minirun/minirun/internal/cgroups/group"
	"github.com/minirun/minirun/internal/container/child"
	"github.com/minirun/minirun/internal/container/compile"
	"github.com/minirun/minirun/internal/container/record"
	"github.com/minirun/minirun/internal/container/wait"
	"github.com/minirun/minirun/internal/debuglog"
	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/spec"
)

// runToExec takes the process to its execve.
func (e *execution) runToExec(in compile.ExecInputs) error {
	e.Plan, e.ClonedLast = compile.Exec(in), in.Namespaces&unix.CLONE_NEWPID != 0
	if in.Cgroup2 != nil {
		defer in.Cgroup2.Close()
	}
	given, err := e.OpenDescriptors(in.Process.Preserve, false) // the container's own /dev/null may have been replaced
	if err != nil {
		return fmt.Errorf("exec: %w", err)
	}
	defer given.Close()
	attr := bootstrap.Attr{Files: given.FDs, Cgroup: in.Cgroup2}
	attr.Extra, err = e.openFiles()
	defer child.CloseFiles(attr.Extra)
	if err != nil {
		return err
	}
	if err := e.startProcess(attr, in); err != nil {
		return err
	}
	given.Close()
	if e.paused {
		e.lock.Release() // resume needs it, and nothing continues before
	}
	if err := e.Converse(e.answer); err != nil {
		return err
	}
	e.lock.Release()
	return e.WritePidFile()
}

// startProcess starts the process. A v2 cgroup that has delegated controllers to its children
// accepts no more processes: then the new one joins the first process in its current
// cgroup.
//
// If this user may not write to the cgroup, systemd has to move the process into it.
func (e *execution) startProcess(attr bootstrap.Attr, in compile.ExecInputs) error {
	if a := in.Spec.Process.ExecCPUAffinity; a != nil && a.Initial != "" {
		restore, err := bindToCPUs(a.Initial)
		if err != nil {
			return fmt.Errorf("%s: run on CPUs %s: %w", e.describeSource("process.execCPUAffinity.initial"), a.Initial,
				err)
		}
		defer restore()
	}
	var err error
	e.Proc, err = bootstrap.Start(e.Plan, attr)
	if attr.Cgroup != nil && (errors.Is(err, unix.EBUSY) || errors.Is(err, unix.EOPNOTSUPP)) {
		dir, why := record.OpenCgroup2(e.record.Pid)
		if why != nil {
			return errors.Join(err, why)
		}
		defer dir.Close()
		if why := group.Open(map[string]string{"": dir.Name()}).CheckNotFrozen(); why != nil {
			return errors.Join(err, why)
		}
		attr.Cgroup = dir
		e.Proc, err = bootstrap.Start(e.Plan, attr)
	}
	switch {
	case attr.Cgroup != nil && errors.Is(err, unix.EACCES) && e.record.Unit != nil:
		attr.Cgroup, in.Scope = nil, true
		e.Plan = compile.Exec(in)
		e.Proc, err = bootstrap.Start(e.Plan, attr)
	case attr.Cgroup != nil && errors.Is(err, unix.EAGAIN):
		attr.Cgroup = nil
		in.JoinCgroup2(e.cgroup) // a full cgroup accepts a process that is moved into it
		e.Plan = compile.Exec(in)
		e.Proc, err = bootstrap.Start(e.Plan, attr)
	}
	if err != nil {
		return fmt.Errorf("exec: %w", err)
	}
	debuglog.Printf("process %d runs a plan of %d steps in container %q", e.Proc.Pid, len(e.Plan.Steps), e.record.ID)
	return nil
}

// bindToCPUs binds the calling thread to CPUs, which a process that it starts inherits, and
// locks the goroutine to it until restore.
func bindToCPUs(list string) (restore func(), err error) {
	before := unix.NewCPUSet(spec.MaxListed + 1)
	runtime.LockOSThread()
	if err = unix.SchedGetaffinityDynamic(0, before); err == nil {
		err = unix.SchedSetaffinityDynamic(0, spec.ListMask(list))
	}
	if err != nil {
		runtime.UnlockOSThread()
		return nil, err
	}
	return func() {
		_ = unix.SchedSetaffinityDynamic(0, before)
		runtime.UnlockOSThread()
	}, nil
}

// openFiles opens the files that the parent opens for the plan.
func (e *execution) openFiles() ([]*os.File, error) {
	var out []*os.File
	for _, f := range e.Plan.Files {
		var opened *os.File
		var err error
		if f.Open == plan.Process {
			var fd int
			fd, err = unix.FcntlInt(e.init.Fd(), unix.F_DUPFD_CLOEXEC, 3)
			opened = os.NewFile(uintptr(fd), f.Name)
		} else {
			opened, err = os.Open(f.Path)
		}
		if err != nil {
			return out, fmt.Errorf("exec: open %s: %w", f.Name, err)
		}
		out = append(out, opened)
	}
	if wait.HasExited(int(e.init.Fd())) {
		return out, record.ErrNotRunning // a path in /proc may belong to another process by now
	}
	return out, nil
}
