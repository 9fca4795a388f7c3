package container

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"time"

	"github.com/minirun/minirun/internal/container/child"

	"github.com/minirun/minirun/internal/container/record"

	"github.com/minirun/minirun/internal/container/diagnose"

	"github.com/minirun/minirun/internal/container/compile"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/bootstrap"
	"github.com/minirun/minirun/internal/cgroups"
	"github.com/minirun/minirun/internal/container/wait"
	"github.com/minirun/minirun/internal/debuglog"
	"github.com/minirun/minirun/internal/handshake"
	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/signals"
	"github.com/minirun/minirun/internal/spec"
)

// This file repeats the steps of create for a container that already exists:
//
//	hold the lock, shared; the first process by pidfd
//	process (exec's own file) → facts → Exec → bootstrap.Start
//	answer its questions until execve; release the lock
//	detached: done;  else forward signals and the terminal, wait

// ExecOptions are the settings of its command line.
type ExecOptions struct {
	Root, ID    string
	Args        []string // the program and its arguments
	ProcessFile string   // --process: a process as in config.json, instead of Args and of the fields up to AppArmor

	Terminal        bool
	Cwd             string   // "": the container's
	Env             []string // added to the container's
	User            string   // UID[:GID]
	Gids            []string
	OwnGids         bool // only these, without those of the container's process
	Caps            []string
	NoNewPrivileges *bool // nil: as in the container
	Label, AppArmor string

	Cgroups       []string // [CONTROLLER[,CONTROLLER]:]PATH below the container's cgroup
	Detach        bool
	IgnorePaused  bool
	PidFile       string
	ConsoleSocket string
	PidFDSocket   string // gets the pidfd of the process
	PreserveFDs   int    // as in Options
	Inherited     []int  // as in Options
	Warn          func(any)
}

// An execution is a process that joins a container.
type execution struct {
	child.Process
	record *record.Record
	init   *os.File    // pidfd of the container's first process
	lock   record.Lock // shared, until the process is inside
	paused bool
	group  *cgroups.Group // that the process joins
	cgroup string         // of which the directory on v2
	file   string         // --process, for messages
}

// Exec runs a process in a container. It returns its exit status: its own, or 128 plus
// the number of the signal that ended it. If detached, it returns 0 once the program
// runs.
func Exec(o ExecOptions) (status int, err error) {
	if err := o.check(); err != nil {
		return 0, err
	}
	var queue *signals.Queue
	if !o.Detach {
		if queue, err = signals.Catch(); err != nil {
			return 0, err
		}
	}
	e, err := approach(&o, queue)
	if err != nil {
		return 0, err
	}
	defer e.close()
	in, err := e.inputs(&o)
	if err == nil {
		err = e.run(in)
	}
	if err != nil {
		return 0, e.undo(err)
	}
	if o.Detach {
		return 0, nil
	}
	return e.Attend()
}

// approach takes the container's lock and opens its first process.
func approach(o *ExecOptions, queue *signals.Queue) (*execution, error) {
	e := &execution{file: o.ProcessFile}
	e.Process = child.Process{Description: "the new process", Explain: e.failedStep, Signals: wait.Signals{Queue: queue}, Settings: child.Settings{
		PidFile: o.PidFile, ConsoleSocket: o.ConsoleSocket, PidFDSocket: o.PidFDSocket, Inherited: o.Inherited,
		Attended: !o.Detach, Warn: o.Warn,
	}}
	h, err := record.AcquireWith(o.Root, o.ID, func(dir string) (record.Lock, error) { return record.LockOrInterrupt(&e.Signals, dir, unix.LOCK_SH) })
	if err != nil {
		return nil, err
	}
	e.record, e.lock = &h.Record, h.Lock
	if e.init, err = h.OpenProcess(); err == nil && e.init == nil {
		err = fmt.Errorf("cannot exec in a stopped container: %w", record.ErrNotRunning)
	}
	if err == nil {
		err = e.admit(h.LivingStatus(), o.IgnorePaused)
	}
	if err != nil {
		e.close()
		return nil, err
	}
	return e, nil
}

// admit refuses a container in a state that exec cannot or must not join. A created
// one has everything that is needed.
func (e *execution) admit(status specs.ContainerState, ignorePaused bool) error {
	if status == specs.StateCreating {
		return fmt.Errorf("cannot exec in a container whose creation did not finish: %w", record.ErrNotRunning)
	}
	e.paused = status == record.StatePaused || status == specs.StateCreated && e.record.IsPaused()
	if e.paused && !ignorePaused {
		return fmt.Errorf("%w (use --ignore-paused to override)", errPaused)
	}
	return nil
}

// errPaused has runc's wording.
var errPaused = errors.New("cannot exec in a paused container")

// run takes the process to its execve.
func (e *execution) run(in compile.ExecInputs) error {
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
	defer closeAll(attr.Extra)
	if err != nil {
		return err
	}
	if err := e.fork(attr, in); err != nil {
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

// fork starts the process. A v2 cgroup that has delegated controllers to its children
// accepts no more processes: then the new one joins the first process in its current
// cgroup.
//
// If this user may not write to the cgroup, systemd has to move the process into it.
func (e *execution) fork(attr bootstrap.Attr, in compile.ExecInputs) error {
	if a := in.Spec.Process.ExecCPUAffinity; a != nil && a.Initial != "" {
		restore, err := runOn(a.Initial)
		if err != nil {
			return fmt.Errorf("%s: run on CPUs %s: %w", e.where("process.execCPUAffinity.initial"), a.Initial, err)
		}
		defer restore()
	}
	var err error
	e.Proc, err = bootstrap.Start(e.Plan, attr)
	if attr.Cgroup != nil && (errors.Is(err, unix.EBUSY) || errors.Is(err, unix.EOPNOTSUPP)) {
		dir, why := initCgroup(e.record.Pid)
		if why != nil {
			return errors.Join(err, why)
		}
		defer dir.Close()
		if why := cgroups.Open(map[string]string{"": dir.Name()}).RefuseFrozen(); why != nil {
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

// runOn binds the calling thread to CPUs, which a process that it starts inherits, and
// locks the goroutine to it until restore.
func runOn(list string) (restore func(), err error) {
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

// answer answers one question of the process: see package handshake.
func (e *execution) answer(m bootstrap.Message) ([]byte, error) {
	if err := e.CheckQuestion(m.Point); err != nil {
		return nil, err
	}
	child.DebugQuestion(e.Proc.Pid, m)
	switch m.Point {
	case handshake.Scope:
		return child.Continue, e.attach()
	case handshake.Full:
		return child.Continue, e.LeaveCgroup(cgroups.Detect)
	case handshake.Cloned:
		if err := e.FollowClone(int(m.A), e.group); err != nil {
			return nil, err
		}
		// From here on it dies with the container. Processes inside may stop it for as
		// long as they like, which must not prevent them from being killed.
		e.lock.Release()
		return child.Continue, e.sendListener()
	case handshake.Console:
		if err := e.TakeConsole(int(m.A)); err != nil {
			return nil, err
		}
		return child.Continue, e.SendConsole()
	case handshake.Ready:
		if err := e.joinRdt(); err != nil {
			return nil, err
		}
		if err := e.SetRlimits(); err != nil {
			return nil, err
		}
		return child.Continue, e.SendPidFD(child.ExecPidFD)
	case handshake.SeccompListener:
		if err := e.TakeListener(int(m.A)); err != nil {
			return nil, err
		}
		return child.Continue, e.sendListener()
	case handshake.NoProgram:
		return nil, e.ProgramError(e.programSource(), unix.Errno(-int64(m.A)))
	}
	return nil, fmt.Errorf("the new process asks for %s, which exec does not know", handshake.Name(m.Point))
}

// undo kills a process that has not reached its program. If the container exited
// meanwhile, that is the cause of the error.
func (e *execution) undo(err error) error {
	if e.Proc != nil && !e.Proc.Reaped {
		if kill := e.Proc.Kill(); kill != nil {
			return errors.Join(err, kill)
		}
		e.Proc.CloseSync()
		// In a frozen cgroup it dies only when the cgroup is thawed.
		if wait.ForExit(int(e.Proc.PidFD.Fd()), wait.UndoLimit) {
			if _, wait := e.Proc.Wait(); wait != nil {
				return errors.Join(err, wait)
			}
		}
	}
	e.Pipes.Finish(&e.Signals)
	var interrupted *wait.Interrupted
	if !errors.As(err, &interrupted) && e.ending() {
		return fmt.Errorf("%w: it exited while the process was joining it", record.ErrNotRunning)
	}
	return err
}

// ending reports whether the container has exited or is about to. Its first process
// leaves its namespaces before it is reported as exited, and the new process may be
// killed before the first one, which then soon follows.
func (e *execution) ending() bool {
	if wait.HasExited(int(e.init.Fd())) {
		return true
	}
	var st unix.Stat_t
	if err := unix.Stat("/proc/"+strconv.Itoa(e.record.Pid)+"/ns/mnt", &st); errors.Is(err, unix.ENOENT) {
		return true
	}
	return e.Killed && wait.ForExit(int(e.init.Fd()), 200*time.Millisecond)
}

// close releases lock and descriptors.
func (e *execution) close() {
	e.lock.Release()
	if e.init != nil {
		e.init.Close()
	}
	if e.Proc != nil {
		e.Proc.Close()
	}
	if e.Console != nil {
		e.Console.Close()
	}
	if e.SeccompListener != nil {
		e.SeccompListener.Close()
	}
}

// failedStep describes the step that failed, and what requested it.
func (e *execution) failedStep(failed *bootstrap.ErrFailed) error {
	if failed.Step >= len(e.Plan.Steps) {
		return failed
	}
	s := &e.Plan.Steps[failed.Step]
	if child.IsExec(s) {
		return e.ProgramError(e.programSource(), failed.Errno)
	}
	return fmt.Errorf("%s: %s: %w%s", e.where(s.Source), e.Plan.Brief(s), failed.Errno, diagnose.ExplainStep(e.Spec, s, failed.Errno))
}

// where names the source of a setting: a path in --process, the command line or
// config.json.
func (e *execution) where(source string) string {
	const own = "process."
	switch {
	case source == "":
		return execName
	case len(source) <= len(own) || source[:len(own)] != own:
		return "config.json: " + source
	case e.file != "":
		return e.file + ": " + source[len(own):]
	}
	return execName + ": " + source
}

// programSource names the document that specifies the program to execute, or the
// command.
func (e *execution) programSource() string {
	if e.file != "" {
		return e.where("process.args[0]")
	}
	return execName
}

// root returns the container's root directory as the host sees it.
func (e *execution) root() string { return "/proc/" + strconv.Itoa(e.record.Pid) + "/root" }
