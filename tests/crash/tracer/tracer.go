// Package tracer runs a command under ptrace(2) and asks at every system-call boundary what to do:
// continue, kill the command, or let the call fail.
//
//	fork, PTRACE_TRACEME, execve ─▶ minirun ─▶ its threads     traced
//	                                       └─▶ the init        traced if Init is set,
//	                                       │                   until it executes the program
//	                                       └─▶ hooks, others   not traced
//
// ptrace works per thread: Run locks its goroutine to one, and waits only for that thread's own
// children (__WNOTHREAD), so a test may have other children.
//
// The runtime's threads are created by clone(2) without an exit signal, which the kernel reports as
// PTRACE_EVENT_CLONE; processes are created with SIGCHLD and, by Go's fork, with CLONE_VFORK: these
// cause other events, and as those are not requested, the init is not traced.
package tracer

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Stop is a boundary of a system call, at which a thread of the command, or the init, is stopped.
type Stop struct {
	Thread int  // its thread ID
	Init   bool // the init, or a process that it has cloned, not a thread of the command
	Entry  bool // the call is about to start; otherwise it has just returned
	Call   uint64
	Args   [6]uint64
	Result int64 // at the end: its return value, -errno for an error
}

// A Verdict determines what happens after a Stop. The zero Verdict changes nothing.
type Verdict struct {
	Kill     bool       // send SIGKILL to the command
	KillInit bool       // send SIGKILL to the process that has stopped: the init
	Errno    unix.Errno // at an entry: the call is skipped, and returns this error
}

// A Command is a command to run under the tracer.
type Command struct {
	Path  string
	Args  []string // including the name as the first
	Env   []string
	Files [3]*os.File
	Init  bool          // trace the init too
	Limit time.Duration // the command is killed if it takes longer
	// Decide is called at each boundary.
	Decide func(*Stop) Verdict
}

// An Outcome describes how the command ended.
type Outcome struct {
	Status  unix.WaitStatus
	Limited bool // the command exceeded Limit
}

// Run runs the command to its end. Processes that it leaves continue untraced.
func (c *Command) Run() (Outcome, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	pid, err := syscall.ForkExec(c.Path, c.Args, &syscall.ProcAttr{
		Env: c.Env, Sys: &syscall.SysProcAttr{Ptrace: true},
		Files: []uintptr{c.Files[0].Fd(), c.Files[1].Fd(), c.Files[2].Fd()},
	})
	runtime.KeepAlive(c.Files)
	if err != nil {
		return Outcome{}, fmt.Errorf("start %s: %w", c.Path, err)
	}
	s := &session{c: c, leader: pid, threads: map[int]*thread{}}
	timer := time.AfterFunc(c.Limit, func() {
		s.limited.Store(true)
		_ = unix.Kill(pid, unix.SIGKILL)
	})
	defer timer.Stop()
	if err := s.begin(); err != nil {
		_ = unix.Kill(pid, unix.SIGKILL)
		return Outcome{}, err
	}
	err = s.follow()
	s.outcome.Limited = s.limited.Load()
	return s.outcome, err
}

type thread struct {
	init  bool
	seen  bool // its first stop has occurred
	held  bool // stopped until the command is dead
	call  uint64
	args  [6]uint64
	errno unix.Errno // the error that the skipped call must return
}

type session struct {
	c       *Command
	leader  int
	threads map[int]*thread
	ended   bool // the command ended
	limited atomic.Bool
	outcome Outcome
}

const waitOwn = unix.WALL | unix.WNOTHREAD

// begin attaches to the command, which has stopped at its execve.
func (s *session) begin() error {
	var status unix.WaitStatus
	if _, err := wait4(s.leader, &status); err != nil {
		return fmt.Errorf("wait for the command's execve: %w", err)
	}
	if !status.Stopped() {
		return fmt.Errorf("the command ended before its execve: %v", status)
	}
	options := unix.PTRACE_O_EXITKILL | unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACECLONE
	if s.c.Init {
		options |= unix.PTRACE_O_TRACEVFORK | unix.PTRACE_O_TRACEFORK | unix.PTRACE_O_TRACEEXEC
	}
	if err := unix.PtraceSetOptions(s.leader, options); err != nil {
		return fmt.Errorf("PTRACE_SETOPTIONS: %w", err)
	}
	s.threads[s.leader] = &thread{seen: true}
	return ignoreGone(unix.PtraceSyscall(s.leader, 0))
}

// follow handles stops until no process is traced any more. Processes that the command leaves running
// may become children of this thread, so the absence of children is not a criterion.
func (s *session) follow() error {
	for !s.ended || len(s.threads) > 0 {
		var status unix.WaitStatus
		pid, err := wait4(-1, &status)
		if s.ended && errors.Is(err, unix.ECHILD) {
			s.letGo()
			return nil
		}
		if err != nil {
			return fmt.Errorf("wait4: %w", err)
		}
		if status.Stopped() {
			err = s.stopped(pid, status)
		} else {
			err = s.gone(pid, status)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// letGo resumes processes that received a stop signal, but whose tracing ended before they could:
// processes that had just been forked when their parent died.
func (s *session) letGo() {
	for tid := range s.threads {
		_ = unix.Kill(tid, unix.SIGCONT)
	}
}

// gone handles the end of a thread. The end of the first thread is reported after all others of its
// process have exited.
func (s *session) gone(pid int, status unix.WaitStatus) error {
	delete(s.threads, pid)
	if pid != s.leader {
		return nil
	}
	s.outcome.Status, s.ended = status, true
	// Only the init is left, and it may wait forever: a signal stops it, and then it is detached
	// without the signal.
	for tid, t := range s.threads {
		if t.held {
			delete(s.threads, tid)
			if err := ignoreGone(unix.PtraceDetach(tid)); err != nil {
				return err
			}
			continue
		}
		if err := unix.Kill(tid, unix.SIGSTOP); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("stop process %d to let it go: %w", tid, err)
		}
	}
	return nil
}

func (s *session) stopped(pid int, status unix.WaitStatus) error {
	t := s.threads[pid]
	if t == nil {
		t = &thread{init: !isThreadOf(s.leader, pid)}
		s.threads[pid] = t
	}
	if s.ended {
		delete(s.threads, pid)
		if err := ignoreGone(unix.PtraceDetach(pid)); err != nil {
			return err
		}
		// It may have stopped for another reason before the signal from gone arrived, which would
		// then stop it forever.
		return ignoreGone(unix.Kill(pid, unix.SIGCONT))
	}
	signal := status.StopSignal()
	switch {
	case signal == unix.SIGTRAP|0x80:
		return s.boundary(pid, t)
	case signal == unix.SIGTRAP && status.TrapCause() == unix.PTRACE_EVENT_EXEC && t.init && !inPlan(pid):
		delete(s.threads, pid) // the program, or a hook
		return ignoreGone(unix.PtraceDetach(pid))
	case signal == unix.SIGTRAP && (status.TrapCause() == unix.PTRACE_EVENT_VFORK || status.TrapCause() == unix.PTRACE_EVENT_FORK):
		s.born(pid)
		signal = 0
	case signal == unix.SIGTRAP, signal == unix.SIGSTOP && !t.seen:
		signal = 0 // generated by ptrace
	}
	t.seen = true
	return ignoreGone(unix.PtraceSyscall(pid, int(signal)))
}

// born records a process to which the kernel has attached this thread; it may report its first stop
// later.
func (s *session) born(parent int) {
	child, err := unix.PtraceGetEventMsg(parent)
	if err == nil && s.threads[int(child)] == nil {
		s.threads[int(child)] = &thread{init: true}
	}
}

// boundary asks what to do at a system call, and does it.
func (s *session) boundary(pid int, t *thread) error {
	t.seen = true
	stop := Stop{Thread: pid, Init: t.init}
	if err := systemCall(pid, t, &stop); err != nil {
		return ignoreGone(err)
	}
	if !stop.Entry && t.errno != 0 {
		if err := setResult(pid, t.errno); err != nil {
			return ignoreGone(err)
		}
		stop.Result, t.errno = -int64(t.errno), 0
	}
	v := s.c.Decide(&stop)
	switch {
	case v.Kill:
		if err := unix.Kill(s.leader, unix.SIGKILL); err != nil {
			return err
		}
		t.held = t.init
		return nil // the command can die without being resumed; the init waits for that
	case v.KillInit:
		return unix.Kill(pid, unix.SIGKILL)
	case v.Errno != 0 && stop.Entry:
		if err := skipCall(pid); err != nil {
			return ignoreGone(err)
		}
		t.errno = v.Errno
	}
	return ignoreGone(unix.PtraceSyscall(pid, 0))
}

// info is struct ptrace_syscall_info of ptrace(2).
type info struct {
	op   uint8
	_    [3]uint8
	arch uint32
	ip   uint64
	sp   uint64
	// entry: nr and args; exit: the result and whether it is an error
	union [8]uint64
}

func systemCall(pid int, t *thread, stop *Stop) error {
	var i info
	_, _, errno := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_GET_SYSCALL_INFO, uintptr(pid), unsafe.Sizeof(i), uintptr(unsafe.Pointer(&i)), 0, 0)
	if errno != 0 {
		return errno
	}
	switch i.op {
	case unix.PTRACE_SYSCALL_INFO_ENTRY:
		stop.Entry = true
		t.call, t.args = i.union[0], [6]uint64(i.union[1:7])
	case unix.PTRACE_SYSCALL_INFO_EXIT:
		stop.Result = int64(i.union[0])
	default:
		return fmt.Errorf("process %d is at no system call: %d", pid, i.op)
	}
	stop.Call, stop.Args = t.call, t.args
	return nil
}

// Text reads a string from the stopped thread's memory, such as a path.
func (s *Stop) Text(address uint64) string {
	var buf [256]byte
	n, err := unix.PtracePeekData(s.Thread, uintptr(address), buf[:])
	if err != nil {
		return "?"
	}
	text, _, _ := strings.Cut(string(buf[:n]), "\x00")
	return text
}

func wait4(pid int, status *unix.WaitStatus) (int, error) {
	for {
		got, err := unix.Wait4(pid, status, waitOwn, nil)
		if !errors.Is(err, unix.EINTR) {
			return got, err
		}
	}
}

// ignoreGone drops the error of ptrace about a thread that was killed while it was stopped: wait4
// reports its end.
func ignoreGone(err error) error {
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	return err
}

func isThreadOf(leader, tid int) bool {
	return unix.Access("/proc/"+strconv.Itoa(leader)+"/task/"+strconv.Itoa(tid), unix.F_OK) == nil
}

// inPlan reports whether a process executes minirun's plan, and not the user's
// program or a hook.
func inPlan(pid int) bool {
	exe, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/exe")
	return err == nil && strings.HasPrefix(exe, "/memfd:minirun-plan ")
}
