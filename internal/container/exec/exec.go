// Package exec runs a process in a container that already exists. It repeats the steps of
// creating one:
//
//	take the lock, shared; open the first process by pidfd
//	process.go: the process → inputs.go: facts → compile.Exec → bootstrap.Start
//	answer its questions until execve; release the lock
//	detached: done; otherwise forward signals and the terminal, and wait
package exec

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/bootstrap"
	"github.com/minirun/minirun/internal/cgroups/group"
	"github.com/minirun/minirun/internal/cgroups/host"
	"github.com/minirun/minirun/internal/container/child"
	"github.com/minirun/minirun/internal/container/record"
	"github.com/minirun/minirun/internal/container/wait"
	"github.com/minirun/minirun/internal/handshake"
	"github.com/minirun/minirun/internal/signals"
)

// Options are the settings of its command line.
type Options struct {
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
	group  *group.Group // that the process joins
	cgroup string       // of which the directory on v2
	file   string       // --process, for messages
}

// Run runs a process in a container. It returns its exit status: its own, or 128 plus
// the number of the signal that ended it. If detached, it returns 0 once the program
// runs.
func Run(o Options) (status int, err error) {
	if err := o.checkArguments(); err != nil {
		return 0, err
	}
	var queue *signals.Queue
	if !o.Detach {
		if queue, err = signals.Catch(); err != nil {
			return 0, err
		}
	}
	e, err := openContainer(&o, queue)
	if err != nil {
		return 0, err
	}
	defer e.close()
	in, err := e.gatherInputs(&o)
	if err == nil {
		err = e.runToExec(in)
	}
	if err != nil {
		return 0, e.killUnfinished(err)
	}
	if o.Detach {
		return 0, nil
	}
	return e.Attend()
}

// openContainer takes the container's lock and opens its first process.
func openContainer(o *Options, queue *signals.Queue) (*execution, error) {
	e := &execution{file: o.ProcessFile}
	e.Process = child.Process{Description: "the new process", Explain: e.explainStep,
		Signals: wait.Signals{Queue: queue}, Settings: child.Settings{
			ID: o.ID, PidFile: o.PidFile, ConsoleSocket: o.ConsoleSocket, PidFDSocket: o.PidFDSocket, Inherited: o.Inherited,
			Attended: !o.Detach, Warn: o.Warn,
		}}
	h, err := record.AcquireWith(o.Root, o.ID, func(dir string) (record.Lock,
		error) {
		return record.LockOrInterrupt(&e.Signals, dir, unix.LOCK_SH)
	})
	if err != nil {
		return nil, err
	}
	e.record, e.lock = &h.Record, h.Lock
	if e.init, err = h.OpenProcess(); err == nil && e.init == nil {
		err = fmt.Errorf("cannot exec in a stopped container: %w", record.ErrNotRunning)
	}
	if err == nil {
		err = e.checkStatus(h.LivingStatus(), o.IgnorePaused)
	}
	if err != nil {
		e.close()
		return nil, err
	}
	return e, nil
}

// checkStatus refuses a container in a state that exec cannot or must not join. A created
// one has everything that is needed.
func (e *execution) checkStatus(status specs.ContainerState, ignorePaused bool) error {
	if status == specs.StateCreating {
		return fmt.Errorf("cannot exec in a container whose creation did not finish: %w", record.ErrNotRunning)
	}
	e.paused = status == record.StatePaused || status == specs.StateCreated && e.record.IsPaused()
	if e.paused && !ignorePaused {
		return fmt.Errorf("%w (use --ignore-paused to override)\nhint: minirun resume %s", errPaused, e.record.ID)
	}
	return nil
}

// errPaused has runc's wording.
var errPaused = errors.New("cannot exec in a paused container")

// answer answers one question of the process: see package handshake.
func (e *execution) answer(m bootstrap.Message) ([]byte, error) {
	if err := e.CheckQuestion(m.Point); err != nil {
		return nil, err
	}
	child.DebugQuestion(e.Proc.Pid, m)
	switch m.Point {
	case handshake.Scope:
		return child.Continue, e.attachToUnit()
	case handshake.Full:
		return child.Continue, e.LeaveCgroup(host.Detect)
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

// rootPath returns the container's root directory as the host sees it.
func (e *execution) rootPath() string { return "/proc/" + strconv.Itoa(e.record.Pid) + "/root" }

func (e *execution) sendListener() error {
	return e.SendListenerTo(e.findAgent(), e.record.OCIState(specs.StateRunning, e.record.Pid))
}

// findAgent returns the destination of the filter's listener, nil if there is none.
func (e *execution) findAgent() *record.Listener {
	p := e.Spec.Linux.Seccomp
	if p == nil || p.ListenerPath == "" {
		return nil
	}
	return &record.Listener{Path: p.ListenerPath, Metadata: p.ListenerMetadata}
}
