// Package bootstrap runs a plan in a new process.
//
//	parent (Go)                           new process
//	-----------                           -----------
//	Plan ──Encode──▶ sealed memfd
//	Start: ForkExec ────────────────────▶ the loop: step 0, 1, 2 …
//	                ◀── point P, values ─ write(sync)
//	(acts from outside)
//	Reply ──────────── a byte or more ──▶ read(sync)
//	                                      …
//	                ◀── failed: step, errno, then the process has ended
//	                ◀── end of file ───── execve closed the socket: it runs
//
// The process that comes out of ForkExec is single-threaded and holds nothing
// of minirun but the plan: its memory is two small segments of a sealed memfd,
// so neither its /proc/PID/exe nor its address space leads to the host's
// binary (CVE-2019-5736). Being single-threaded it may do what a Go program
// cannot: join a user namespace, or unshare one and go on after its identity
// maps were written, without an execve that would drop its capabilities.
package bootstrap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/plan"
)

// Attr is what Start needs besides the plan.
type Attr struct {
	// Cloneflags are the namespaces the process is born into, CLONE_NEW*.
	// Without CLONE_NEWUSER and CLONE_NEWTIME: those are steps of the plan.
	Cloneflags uintptr
	// Cgroup is a cgroup v2 directory the process is born into, or nil.
	Cgroup *os.File
	// Files become descriptors 0, 1, 2 … of the process; nil leaves a number
	// closed. The sync socket is the next one after them, so the plan's
	// SyncFD must be len(Files). Extra follow the socket: the plan's Files.
	Files, Extra []*os.File
}

// A Process is a started plan, held by its pidfd.
type Process struct {
	Pid   int // in this process's PID namespace
	PidFD *os.File
	// Reaped says that Wait has been called: the number may be another
	// process's by now.
	Reaped bool

	sync *os.File
}

// ErrFailed is what the process reported when a step failed.
type ErrFailed struct {
	Step  int
	Errno unix.Errno
}

func (e *ErrFailed) Error() string {
	return fmt.Sprintf("step %d: %s", e.Step, e.Errno.Error())
}

// Unwrap lets errors.Is find the errno.
func (e *ErrFailed) Unwrap() error { return e.Errno }

// A Message is what the process tells at a sync point of the plan.
type Message struct {
	Point uint32
	A, B  uint64
}

// Image returns the sealed memfd that Start executes.
func Image(p *plan.Plan) (*os.File, error) {
	data, err := p.Encode()
	if err != nil {
		return nil, err
	}
	fd, err := memfd()
	if err != nil {
		return nil, fmt.Errorf("memfd_create: %w", err)
	}
	f := os.NewFile(uintptr(fd), "plan")
	if err := seal(fd, headers(loopCode(), len(data)), data); err != nil {
		f.Close()
		return nil, fmt.Errorf("write the plan's image: %w", err)
	}
	return f, nil
}

func memfd() (int, error) {
	const name = "minirun-plan"
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|unix.MFD_EXEC)
	if errors.Is(err, unix.EINVAL) { // MFD_EXEC is of Linux 6.3, and the default before
		fd, err = unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	return fd, err
}

func seal(fd int, code, data []byte) error {
	if _, err := unix.Pwrite(fd, code, 0); err != nil {
		return err
	}
	for off := 0; off < len(data); {
		n, err := unix.Pwrite(fd, data[off:], int64(align+off))
		if err != nil {
			return err
		}
		off += n
	}
	_, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SEAL|unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_WRITE)
	return err
}

// Start runs the plan in a new process. The caller ends with Close, and waits
// for the process itself.
func Start(p *plan.Plan, a Attr) (*Process, error) {
	image, err := Image(p)
	if err != nil {
		return nil, err
	}
	defer image.Close()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socketpair: %w", err)
	}
	defer unix.Close(pair[1])
	proc := &Process{sync: os.NewFile(uintptr(pair[0]), "sync")}
	if err := proc.fork(image, a, pair[1]); err != nil {
		proc.sync.Close()
		return nil, err
	}
	return proc, nil
}

func (proc *Process) fork(image *os.File, a Attr, sync int) error {
	pidfd := -1
	sys := &syscall.SysProcAttr{Cloneflags: a.Cloneflags, PidFD: &pidfd}
	if a.Cgroup != nil {
		sys.UseCgroupFD, sys.CgroupFD = true, int(a.Cgroup.Fd())
	}
	files := append(numbers(a.Files), uintptr(sync))
	files = append(files, numbers(a.Extra)...)
	// The path leads to the memfd, not into a file system: nobody can put
	// another program in its place. Its number must be one that ForkExec does
	// not use while it puts files in their places.
	safe := len(files)
	for _, fd := range files {
		if fd != ^uintptr(0) {
			safe = max(safe, int(fd)+1)
		}
	}
	program, err := unix.FcntlInt(image.Fd(), unix.F_DUPFD_CLOEXEC, safe+len(files)+1)
	if err != nil {
		return fmt.Errorf("duplicate the plan's image: %w", err)
	}
	defer unix.Close(program)
	path := "/proc/self/fd/" + strconv.Itoa(program)
	pid, err := syscall.ForkExec(path, []string{"minirun-init"}, &syscall.ProcAttr{
		Env: []string{}, Files: files, Sys: sys,
	})
	if err != nil {
		return fmt.Errorf("start the first process with %s: %w", namespaceFlags(a.Cloneflags), err)
	}
	proc.Pid = pid
	if pidfd < 0 {
		// A kernel without CLONE_PIDFD (before 5.2) cannot run minirun's plans.
		return errors.New("start the first process: the kernel gave no pidfd: Linux 5.12 or newer is needed")
	}
	proc.PidFD = os.NewFile(uintptr(pidfd), "pidfd")
	return nil
}

// numbers returns the descriptors of files as ForkExec takes them.
func numbers(files []*os.File) []uintptr {
	out := make([]uintptr, len(files), len(files)+1)
	for i, f := range files {
		out[i] = ^uintptr(0)
		if f != nil {
			out[i] = f.Fd()
		}
	}
	return out
}

func namespaceFlags(flags uintptr) string {
	if flags == 0 {
		return "no new namespaces"
	}
	return fmt.Sprintf("clone flags %#x", flags)
}

// Receive waits for the next message. It returns io.EOF when the process has
// closed its end: after a successful execve, or because it died; which of the
// two it was, its pidfd tells. A failed step is an *ErrFailed.
func (proc *Process) Receive() (Message, error) {
	var buf [plan.MessageSize]byte
	n, err := proc.sync.Read(buf[:])
	if err != nil {
		return Message{}, err
	}
	le := binary.LittleEndian
	switch {
	case n == 0:
		return Message{}, io.EOF
	case n == 16 && le.Uint32(buf[:]) == plan.MessageFailed:
		return Message{}, &ErrFailed{int(le.Uint32(buf[4:])), unix.Errno(le.Uint32(buf[8:]))}
	case n == plan.MessageSize && le.Uint32(buf[:]) == plan.MessagePoint:
		return Message{le.Uint32(buf[4:]), le.Uint64(buf[8:]), le.Uint64(buf[16:])}, nil
	}
	return Message{}, fmt.Errorf("a message of %d bytes from the new process is malformed", n)
}

// Reply lets the process go on; data is what its Await step reads, at least
// one byte.
func (proc *Process) Reply(data []byte) error {
	_, err := proc.sync.Write(data)
	return err
}

// Become makes proc the process that the plan has cloned as its sibling
// (CLONE_PARENT), once the first one has told its number.
func (proc *Process) Become(pid int) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return fmt.Errorf("pidfd_open %d: %w", pid, err)
	}
	proc.PidFD.Close()
	proc.Pid, proc.PidFD = pid, os.NewFile(uintptr(fd), "pidfd")
	return nil
}

// Descriptor returns a duplicate of a descriptor of the process: how a
// console or a seccomp listener made inside comes out.
func (proc *Process) Descriptor(fd int, name string) (*os.File, error) {
	got, err := unix.PidfdGetfd(int(proc.PidFD.Fd()), fd, 0)
	if err != nil {
		return nil, fmt.Errorf("pidfd_getfd of the %s: %w", name, err)
	}
	return os.NewFile(uintptr(got), name), nil
}

// Kill kills the process.
func (proc *Process) Kill() error {
	err := unix.PidfdSendSignal(int(proc.PidFD.Fd()), unix.SIGKILL, nil, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	return err
}

// Wait waits for the end of the process, a child of this one, and returns its
// wait status.
func (proc *Process) Wait() (unix.WaitStatus, error) {
	var status unix.WaitStatus
	for {
		_, err := unix.Wait4(proc.Pid, &status, 0, nil)
		if !errors.Is(err, unix.EINTR) {
			proc.Reaped = true
			return status, err
		}
	}
}

// CloseSync closes the parent's end of the socket. A process that waits for
// an answer then ends.
func (proc *Process) CloseSync() { proc.sync.Close() }

// Close closes the parent's descriptors.
func (proc *Process) Close() {
	proc.sync.Close()
	proc.PidFD.Close()
}
