package container

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/cgroups"
	"github.com/minirun/minirun/internal/container/wait"
)

// This file finds a container's processes. A cgroup lists them. A container without
// one, the usual case without root, has these:
//
//	its own PID namespace     all that are in it; they die with the first one
//	otherwise                 the tree below the first process, and those that share
//	                          the container's own mount namespace (exec)
//
// Processes that left the tree of a first process that has exited cannot be found,
// which is an error, not an empty list.

// errLostProcesses means that there may be processes that cannot be found.
var errLostProcesses = errors.New("the container has neither a cgroup nor its own PID namespace, and its first process exited: " +
	"its other processes, if there are any, cannot be found")

// ownNamespaces returns those that were created for the container, as CLONE_NEW*.
func (r *Record) ownNamespaces() uintptr { return r.Namespaces &^ r.Joined }

// endsWithFirst reports whether the kernel kills all processes of the container with
// the first one.
func (r *Record) endsWithFirst() bool { return r.ownNamespaces()&unix.CLONE_NEWPID != 0 }

// Processes lists the processes of a container, as PIDs of the host, from its cgroups
// and those below them, or without a cgroup as described above; nil if there are none.
func Processes(root, id string) ([]int, error) {
	r, err := readRecord(root, id)
	if err != nil {
		return nil, err
	}
	return r.processes()
}

// processes lists the container's processes, as PIDs of this PID namespace.
func (r *Record) processes() ([]int, error) {
	if len(r.Cgroups) > 0 {
		return cgroups.Open(r.Cgroups).AllProcs()
	}
	first, err := r.open()
	if err != nil {
		return nil, err
	}
	if first == nil {
		if r.endsWithFirst() || r.Pid == 0 {
			return nil, nil
		}
		return nil, errLostProcesses
	}
	defer first.Close()
	return r.members()
}

// members lists the processes of a container without a cgroup, whose first process
// exists.
func (r *Record) members() ([]int, error) {
	kind := ""
	switch own := r.ownNamespaces(); {
	case own&unix.CLONE_NEWPID != 0:
		kind = "pid"
	case own&unix.CLONE_NEWNS != 0:
		kind = "mnt"
	}
	parents, err := parentsOfAll()
	if err != nil {
		return nil, err
	}
	delete(parents, os.Getpid())
	inside := map[int]bool{r.Pid: true}
	for pid := range parents {
		if kind != "" && sharesNamespace(pid, r.Pid, kind) {
			inside[pid] = true
		}
	}
	return closure(inside, parents), nil
}

// closure adds the descendants of processes to a set (pure).
func closure(set map[int]bool, parents map[int]int) []int {
	for grown := true; grown; {
		grown = false
		for pid, parent := range parents {
			if set[parent] && !set[pid] {
				set[pid], grown = true, true
			}
		}
	}
	var pids []int
	for pid := range set {
		pids = append(pids, pid)
	}
	slices.Sort(pids)
	return pids
}

// parentOf returns the PID of a process's parent.
func parentOf(pid int) (int, error) {
	fields, err := statFields(pid)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(fields[1])
}

// sharesNamespace reports whether two processes are in the same namespace. Processes
// of another user that this one may not inspect do not belong to the container.
func sharesNamespace(a, b int, kind string) bool {
	var one, other unix.Stat_t
	return unix.Stat(fmt.Sprintf("/proc/%d/ns/%s", a, kind), &one) == nil &&
		unix.Stat(fmt.Sprintf("/proc/%d/ns/%s", b, kind), &other) == nil &&
		one.Dev == other.Dev && one.Ino == other.Ino
}

// killRounds limits how often processes are listed again because some have forked
// meanwhile.
const killRounds = 100

// signalMembers signals the processes of a container without a cgroup. For SIGKILL all
// are stopped first, so that none of the listed ones can fork away, and the call
// returns when they have exited.
func (r *Record) signalMembers(signal unix.Signal) (count int, err error) {
	held := map[int]*os.File{}
	defer closePidfds(held)
	rounds := 1
	if signal == unix.SIGKILL && !r.endsWithFirst() {
		rounds = killRounds
	}
	for range rounds {
		added, err := r.holdMembers(held)
		if err == nil && added > 0 && rounds > 1 {
			err = signalAll(held, unix.SIGSTOP)
		}
		if err != nil && rounds > 1 { // stopped processes must not stay stopped
			err = errors.Join(err, signalAll(held, signal))
		}
		if err != nil {
			return 0, err
		}
		if added == 0 {
			break
		}
	}
	if err := signalAll(held, signal); err != nil {
		return 0, err
	}
	if rounds == 1 {
		return len(held), nil
	}
	until := time.Now().Add(wait.KillLimit)
	for pid, f := range held {
		if !wait.ForExit(int(f.Fd()), time.Until(until)) {
			return 0, fmt.Errorf("process %d of the container does not exit after SIGKILL", pid)
		}
	}
	return len(held), nil
}

// killMembers kills the processes that die neither with the container's cgroup nor
// with its first process. Those that cannot be found any more are not an error: see
// mayHaveLost.
func (r *Record) killMembers() error {
	if len(r.Cgroups) > 0 || r.endsWithFirst() || r.Pid == 0 {
		return nil
	}
	if _, err := r.signalMembers(unix.SIGKILL); err != nil && !errors.Is(err, errLostProcesses) {
		return err
	}
	return nil
}

// endDescendants kills and reaps what criu(8) created for this process before it
// failed or was killed: its first process is a child of this one, and may not be in
// the cgroup yet. before has the earlier processes: a shell that executed minirun may
// have had children.
func endDescendants(before map[int]int) error {
	own := os.Getpid()
	parents, err := parentsOfAll()
	if err != nil {
		return err
	}
	for pid := range before {
		delete(parents, pid)
	}
	var failed error
	for _, pid := range closure(map[int]bool{own: true}, parents) {
		if pid != own {
			failed = errors.Join(failed, endDescendant(pid, parents[pid] == own))
		}
	}
	return failed
}

func endDescendant(pid int, child bool) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if noProcess(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("pidfd_open %d: %w", pid, err)
	}
	defer func() { _ = unix.Close(fd) }()
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("kill process %d, left running by criu: %w", pid, err)
	}
	if !wait.ForExit(fd, wait.KillLimit) {
		return fmt.Errorf("process %d, left running by criu, does not exit after SIGKILL", pid)
	}
	if child {
		return reap(pid)
	}
	return nil
}

// parentsOfAll returns the parents of all processes.
func parentsOfAll() (map[int]int, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	parents := map[int]int{}
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if parent, err := parentOf(pid); err == nil { // otherwise it exited meanwhile
			parents[pid] = parent
		}
	}
	return parents, nil
}

// holdMembers opens pidfds of the processes that are not held yet, adds them to held,
// and returns their number. After an error it adds none: a process that has not been
// checked may be a stranger, and must not get a signal.
func (r *Record) holdMembers(held map[int]*os.File) (added int, err error) {
	pids, err := r.processes()
	if err != nil {
		return 0, err
	}
	opened := map[int]*os.File{}
	for _, pid := range pids {
		if held[pid] != nil {
			continue
		}
		fd, err := unix.PidfdOpen(pid, 0)
		if noProcess(err) {
			continue
		}
		if err != nil {
			closePidfds(opened)
			return 0, fmt.Errorf("pidfd_open %d: %w", pid, err)
		}
		opened[pid] = os.NewFile(uintptr(fd), "pidfd")
	}
	added = len(opened)
	if added == 0 {
		return 0, nil
	}
	if err := r.dropStrangers(opened); err != nil {
		closePidfds(opened)
		return 0, err
	}
	maps.Copy(held, opened)
	return added, nil
}

// dropStrangers lists the processes again and closes those that do not belong to the
// container: a PID may have been reused before it was opened. Processes opened earlier
// are not checked again: if the parent of one has exited since, it is not listed any
// more, but it is stopped, and nothing else would kill it.
func (r *Record) dropStrangers(opened map[int]*os.File) error {
	now, err := r.processes()
	if err != nil {
		return err
	}
	for pid, f := range opened {
		if !slices.Contains(now, pid) {
			f.Close()
			delete(opened, pid)
		}
	}
	return nil
}

func closePidfds(fds map[int]*os.File) {
	for _, f := range fds {
		f.Close()
	}
}

func signalAll(held map[int]*os.File, signal unix.Signal) error {
	for pid, f := range held {
		err := unix.PidfdSendSignal(int(f.Fd()), signal, nil, 0)
		if err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("send %s to process %d: %w", unix.SignalName(signal), pid, err)
		}
	}
	return nil
}

// errNoCgroup explains why a container's resource usage is unknown.
var errNoCgroup = errors.New("the container has no cgroup, in which the kernel would count its resource usage")

// checkPidfd refuses to create a container that no later command could find: a seccomp
// filter around minirun may forbid the necessary calls.
func checkPidfd() error {
	// No process and no descriptor has the number -1: if the call reaches the kernel
	// the error says so, and a filter returns a different one.
	_, err := unix.PidfdOpen(-1, 0)
	if !errors.Is(err, unix.EINVAL) {
		return pidfdRefused("pidfd_open", err)
	}
	if err := unix.PidfdSendSignal(-1, 0, nil, 0); !errors.Is(err, unix.EBADF) {
		return pidfdRefused("pidfd_send_signal", err)
	}
	if _, err := unix.PidfdGetfd(-1, -1, 0); !errors.Is(err, unix.EBADF) {
		return pidfdRefused("pidfd_getfd", err)
	}
	return nil
}

func pidfdRefused(call string, err error) error {
	if err == nil {
		err = errors.New("a call that cannot succeed did")
	}
	return fmt.Errorf("%s: %w\nhint: minirun runs in a container or service whose seccomp filter forbids this: allow pidfd_open, pidfd_send_signal and pidfd_getfd", call, err)
}
