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
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/hint"
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

// Start runs the plan in a new process. The caller must call Close, and wait for the
// process itself.
func Start(p *plan.Plan, a Attr) (*Process, error) {
	image, err := Image(p)
	if err != nil {
		return nil, err
	}
	defer image.Close()
	return startImage(image, len(p.Steps), a)
}

func startImage(image *os.File, steps int, a Attr) (*Process, error) {
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
	files := descriptorNumbers(a, sync)
	program, err := duplicateAbove(files, image)
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

// duplicateAbove returns a duplicate of the image whose number no other descriptor gets in the
// child before its execve. In the child, ForkExec copies files to 0, 1, 2 …, some of
// them first to numbers above all others: one at the image's number would be executed
// in its place.
func duplicateAbove(files []uintptr, image *os.File) (int, error) {
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

// descriptorNumbers returns the descriptors of the new process in the form that ForkExec takes.
func descriptorNumbers(a Attr, sync int) []uintptr {
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
	with := "no new namespaces"
	if a.Cloneflags != 0 {
		with = plan.CloneFlags(uint64(a.Cloneflags))
	}
	if a.Cgroup != nil {
		with += " in " + a.Cgroup.Name()
	}
	failure := fmt.Errorf("start the first process with %s: %w", with, err)
	switch {
	case errors.Is(err, unix.EPERM) && a.Cloneflags != 0 && os.Geteuid() == 0: // others: see messages.Fail
		return hint.Add(failure, "new namespaces need CAP_SYS_ADMIN, or a user namespace in linux.namespaces")
	case errors.Is(err, unix.ENOSPC):
		return hint.Add(failure, "see the limits in /proc/sys/user/max_*_namespaces")
	case errors.Is(err, unix.ENOENT):
		return hint.Add(failure, "mount /proc")
	}
	return failure
}
