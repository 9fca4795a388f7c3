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
//	                ◀── failed: step, errno, then the process exits
//	                ◀── end of file ───── execve closed the socket: it runs
//
// The process that ForkExec creates is single-threaded and contains nothing of minirun
// except the plan: its memory is two small segments of a sealed memfd, so neither its
// /proc/PID/exe nor its address space leads to the host's binary (CVE-2019-5736).
// Because it is single-threaded it can do what a Go program cannot: join a user
// namespace, or unshare one and continue after its ID maps were written, without an
// execve that would drop its capabilities.
package bootstrap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/signals"
)

// Attr has what Start needs in addition to the plan.
type Attr struct {
	// Cloneflags are the namespaces the process is created in, CLONE_NEW*. Without
	// CLONE_NEWUSER and CLONE_NEWTIME: those are steps of the plan.
	Cloneflags uintptr
	// Cgroup is the cgroup v2 directory that the process is created in, or nil.
	Cgroup *os.File
	// Files are the descriptors that become 0, 1, 2 … of the process; Closed leaves a
	// number closed. They are numbers, not files: most belong to the caller of this
	// program, and an *os.File made for one would close it when it is
	// garbage-collected.
	Files []int
	// Extra become the descriptors after the sync socket, which is the next one after
	// Files, so the plan's SyncFD must be len(Files). They are the plan's Files.
	// Neither they nor the socket are close-on-exec: the plan marks what execve must
	// close, before it.
	Extra []*os.File
	// Stamps is the number of times that a stamped plan reports (plan.Stamp).
	Stamps int
}

// Closed in Attr.Files stands for a descriptor that the process does not get.
const Closed = -1

// A Process is a started plan, held by its pidfd.
type Process struct {
	Pid   int // in this process's PID namespace
	PidFD *os.File
	// Reaped is true once Wait was called: the number may belong to another process by
	// now.
	Reaped bool

	sync   *os.File
	steps  int // steps of the plan, to check the step number in a report
	stamps int // timestamps in MessageStamps
}

// ErrFailed is the report of a step that failed.
type ErrFailed struct {
	Step  int
	Errno unix.Errno
}

func (e *ErrFailed) Error() string {
	return fmt.Sprintf("step %d: %s", e.Step, e.Errno.Error())
}

// Unwrap lets errors.Is find the errno.
func (e *ErrFailed) Unwrap() error { return e.Errno }

// A Message is what the process sends at a sync point of the plan.
type Message struct {
	Point  uint32
	A, B   uint64
	Stamps []unix.Timespec // only for Stamped
}

// Stamped is the point of a message that contains timestamps: see plan.Stamp.
const Stamped = plan.Ran + 1

// Image returns the sealed memfd that Start executes, or a file that replaces it.
func Image(p *plan.Plan) (*os.File, error) {
	data, err := p.Encode()
	if err != nil {
		return nil, err
	}
	code := headers(loopCode(), len(data))
	fd, err := memfd()
	if err != nil {
		f, instead := tmpfsImage(code, data)
		if instead != nil {
			return nil, fmt.Errorf("memfd_create: %w; without it: %w%s", err, instead, memfdHint(err))
		}
		return f, nil
	}
	f := os.NewFile(uintptr(fd), "plan")
	if err := seal(fd, code, data); err != nil {
		f.Close()
		return nil, fmt.Errorf("write the plan's image: %w", err)
	}
	return f, nil
}

// memfdHint returns a hint for a user who may not mount a tmpfs instead.
func memfdHint(err error) string {
	if errors.Is(err, unix.EACCES) {
		return "\nhint: vm.memfd_noexec is 2 here: set it to 1: sysctl vm.memfd_noexec=1"
	}
	return "\nhint: allow memfd_create in the seccomp filter of the container or service that minirun runs in"
}

// imageName appears in /proc/PID/exe of a process that runs its plan.
const imageName = "minirun-plan"

func memfd() (int, error) {
	fd, err := unix.MemfdCreate(imageName, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|unix.MFD_EXEC)
	if errors.Is(err, unix.EINVAL) { // MFD_EXEC is new in Linux 6.3, and was the default before
		fd, err = unix.MemfdCreate(imageName, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	return fd, err
}

func seal(fd int, code, data []byte) error {
	if err := writeImage(fd, code, data); err != nil {
		return err
	}
	_, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SEAL|unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_WRITE)
	return err
}

func writeImage(fd int, code, data []byte) error {
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
	return nil
}

// Start runs the plan in a new process. The caller must call Close, and wait for the
// process itself.
func Start(p *plan.Plan, a Attr) (*Process, error) {
	image, err := Image(p)
	if err != nil {
		return nil, err
	}
	defer image.Close()
	return start(image, len(p.Steps), a)
}

func start(image *os.File, steps int, a Attr) (*Process, error) {
	// A descriptor that this process inherited from its caller without close-on-exec
	// would be open in the container, and could lead to the host's root
	// (CVE-2024-21626). Only Files and Extra are passed on.
	if err := unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return nil, fmt.Errorf("close_range: %w", err)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socketpair: %w", err)
	}
	defer unix.Close(pair[1])
	proc := &Process{sync: os.NewFile(uintptr(pair[0]), "sync"), steps: steps, stamps: a.Stamps}
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
	files := numbers(a, sync)
	program, err := above(files, image)
	if err != nil {
		return err
	}
	defer unix.Close(program)
	// The path leads to the memfd, not into a file system: no other process can put
	// another program in its place.
	path := "/proc/self/fd/" + strconv.Itoa(program)
	KeepSlack()
	signals.DefaultInChildren()
	pid, err := syscall.ForkExec(path, []string{"minirun-init"}, &syscall.ProcAttr{
		Env: []string{}, Files: files, Sys: sys,
	})
	// Until here the numbers in files must remain the caller's files.
	runtime.KeepAlive(a)
	if err != nil {
		return startError(err, a)
	}
	proc.Pid = pid
	if pidfd < 0 {
		// A kernel without CLONE_PIDFD (before 5.2) cannot run minirun's plans.
		_ = unix.Kill(pid, unix.SIGKILL)
		_, _ = proc.Wait()
		return errors.New("start the first process: the kernel returned no pidfd: Linux 5.12 or newer is needed")
	}
	proc.PidFD = os.NewFile(uintptr(pidfd), "pidfd")
	return nil
}

// above returns a duplicate of the image whose number no other descriptor gets in the
// child before its execve. In the child, ForkExec copies files to 0, 1, 2 …, some of
// them first to numbers above all others: one at the image's number would be executed
// in its place.
func above(files []uintptr, image *os.File) (int, error) {
	top := len(files)
	for _, fd := range files {
		top = max(top, int(fd))
	}
	fd, err := unix.FcntlInt(image.Fd(), unix.F_DUPFD_CLOEXEC, top+len(files)+3)
	if err != nil {
		return -1, fmt.Errorf("move the plan's image to a descriptor above %d: %w", top, err)
	}
	return fd, nil
}

// numbers returns the descriptors of the new process in the form that ForkExec takes.
func numbers(a Attr, sync int) []uintptr {
	out := make([]uintptr, 0, len(a.Files)+1+len(a.Extra))
	for _, fd := range a.Files {
		out = append(out, uintptr(fd)) // Closed becomes the number that ForkExec skips
	}
	out = append(out, uintptr(sync))
	for _, f := range a.Extra {
		if f == nil {
			out = append(out, ^uintptr(0))
			continue
		}
		out = append(out, f.Fd())
	}
	return out
}

// startError explains why clone or execve of the image failed: ForkExec does not
// report which of the two it was.
func startError(err error, a Attr) error {
	with, hint := "no new namespaces", ""
	if a.Cloneflags != 0 {
		with = plan.CloneFlags(uint64(a.Cloneflags))
	}
	if a.Cgroup != nil {
		with += " in " + a.Cgroup.Name()
	}
	switch {
	case errors.Is(err, unix.EPERM) && a.Cloneflags != 0:
		hint = ": new namespaces need CAP_SYS_ADMIN, or their own user namespace"
	case errors.Is(err, unix.ENOSPC):
		hint = ": see the limits in /proc/sys/user/max_*_namespaces"
	case errors.Is(err, unix.ENOENT):
		hint = ": is /proc mounted?"
	}
	return fmt.Errorf("start the first process with %s: %w%s", with, err, hint)
}

// FDs returns the descriptors of which one is readable when Receive has something to
// return.
func (proc *Process) FDs() []int { return []int{int(proc.sync.Fd()), int(proc.PidFD.Fd())} }

// Receive waits for the next message. It returns io.EOF when the process closed its
// end: after a successful execve, or because it died; see Became. A failed step is an
// *ErrFailed.
func (proc *Process) Receive() (Message, error) {
	if silent, err := proc.silent(); err != nil || silent {
		return Message{}, errors.Join(err, io.EOF)
	}
	// One byte more than a message needs: a longer one would be truncated and
	// accepted.
	buf := make([]byte, max(plan.MessageSize, stampsSize(proc.stamps))+1)
	n, err := proc.sync.Read(buf)
	if errors.Is(err, unix.ECONNRESET) {
		// The process exited before it read our last answer. The kernel reports that
		// once, before it returns what the process had written.
		n, err = proc.sync.Read(buf)
	}
	if err != nil {
		return Message{}, err
	}
	if proc.stamps > 0 && n == stampsSize(proc.stamps) {
		return parseStamps(buf[:n], proc.stamps)
	}
	return parse(buf[:n], proc.steps)
}

// silent waits until there is something to read, and reports whether nothing will
// come: a process that dies just after it cloned another leaves that one with the
// other end of the socket, and both sides would wait for each other.
func (proc *Process) silent() (bool, error) {
	fds := [2]unix.PollFd{{Fd: int32(proc.sync.Fd()), Events: unix.POLLIN}, {Fd: int32(proc.PidFD.Fd()), Events: unix.POLLIN}}
	for {
		_, err := unix.Poll(fds[:], -1)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || fds[0].Revents != 0 {
			return false, err
		}
		// It may have written between the two checks.
		n, err := unix.Poll(fds[:1], 0)
		return n == 0, err
	}
}

// parse reads a message. Its sender runs our loop, but in namespaces that it may share
// with others: the message is validated like any untrusted input.
func parse(b []byte, steps int) (Message, error) {
	le := binary.LittleEndian
	switch {
	case len(b) == failedSize && le.Uint32(b) == plan.MessageFailed && le.Uint32(b[12:]) == 0:
		step, errno := le.Uint32(b[4:]), le.Uint32(b[8:])
		if uint64(step) < uint64(steps) && errno > 0 && errno <= plan.MaxErrno {
			return Message{}, &ErrFailed{int(step), unix.Errno(errno)}
		}
	case len(b) == plan.MessageSize && le.Uint32(b) == plan.MessagePoint && le.Uint32(b[4:]) != Stamped: // that point has timestamps
		return Message{Point: le.Uint32(b[4:]), A: le.Uint64(b[8:]), B: le.Uint64(b[16:])}, nil
	}
	return Message{}, fmt.Errorf("malformed message from the new process: %d bytes, %x", len(b), b)
}

// stampsSize is the size of a message with n timestamps, in bytes.
func stampsSize(n int) int { return 8 + 16*n }

func parseStamps(b []byte, n int) (Message, error) {
	le := binary.LittleEndian
	if le.Uint32(b) != plan.MessageStamps || int(le.Uint32(b[4:])) != n {
		return Message{}, fmt.Errorf("malformed message from the new process: %d bytes, %x …", len(b), b[:8])
	}
	m := Message{Point: Stamped, Stamps: make([]unix.Timespec, n)}
	for i := range m.Stamps {
		at := b[8+16*i:]
		m.Stamps[i] = unix.Timespec{Sec: int64(le.Uint64(at)), Nsec: int64(le.Uint64(at[8:]))}
	}
	return m, nil
}

// failedSize is the size of the loop's report, in bytes.
const failedSize = 16

// Reply lets the process continue; data is what its Await step reads, at least one
// byte. If the process exited, the error is the one that Receive returns for it.
func (proc *Process) Reply(data []byte) error {
	// The process reads before it asks again, so there is room, unless another process
	// of its PID namespace sends in its name.
	_, err := unix.SendmsgN(int(proc.sync.Fd()), data, nil, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	if !errors.Is(err, unix.EPIPE) && !errors.Is(err, unix.ECONNRESET) {
		return err
	}
	for { // a message may precede the report; nothing is added any more
		if _, why := proc.Receive(); errors.Is(why, io.EOF) {
			return err
		} else if why != nil {
			return why
		}
	}
}

// Become switches proc to the process that the plan cloned as its sibling
// (CLONE_PARENT), once the first one has reported its PID. The first one still has to
// be waited for: by Wait before the switch, or by its PID after it.
func (proc *Process) Become(pid int) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return fmt.Errorf("pidfd_open %d: %w", pid, err)
	}
	// A PID that is not that of a child was not cloned by the plan: the sender would
	// have us set up, or kill, another process.
	err = unix.Waitid(unix.P_PIDFD, fd, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	if err != nil {
		unix.Close(fd)
		return fmt.Errorf("process %d is not the one that the plan cloned: %w", pid, err)
	}
	proc.PidFD.Close()
	proc.Pid, proc.PidFD, proc.Reaped = pid, os.NewFile(uintptr(fd), "pidfd"), false
	return nil
}

// Descriptor returns a duplicate of a descriptor of the process: this is how a console
// or a seccomp listener created inside gets out.
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

// Wait waits for the exit of the process, a child of this one, and returns its wait
// status.
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

// CloseSync closes the parent's end of the socket. A process that waits for an answer
// then exits.
func (proc *Process) CloseSync() { proc.sync.Close() }

// Close closes the parent's descriptors.
func (proc *Process) Close() {
	proc.sync.Close()
	proc.PidFD.Close()
}
