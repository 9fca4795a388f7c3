package record

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/cgroups/group"
	"github.com/minirun/minirun/internal/container/wait"
	"github.com/minirun/minirun/internal/debuglog"
)

// killRounds limits how often processes are listed again because some have forked
// meanwhile.
const killRounds = 100

// SignalMembers signals the processes of a container without a cgroup. For SIGKILL all
// are stopped first, so that none of the listed ones can fork away, and the call
// returns when they have exited.
func (r *Record) SignalMembers(signal unix.Signal) (count int, err error) {
	held := map[int]*os.File{}
	defer closePidfds(held)
	rounds := 1
	if signal == unix.SIGKILL && !r.EndsWithFirst() {
		rounds = killRounds
	}
	for range rounds {
		added, err := r.holdMembers(held)
		if err == nil && added > 0 && rounds > 1 {
			err = signalPidfds(held, unix.SIGSTOP)
		}
		if err != nil && rounds > 1 { // stopped processes must not stay stopped
			err = errors.Join(err, signalPidfds(held, signal))
		}
		if err != nil {
			return 0, err
		}
		if added == 0 {
			break
		}
	}
	if err := signalPidfds(held, signal); err != nil {
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

// KillMembers kills the processes that die neither with the container's cgroup nor
// with its first process. Those that cannot be found any more are not an error: see
// FindLost.
func (r *Record) KillMembers() error {
	if len(r.Cgroups) > 0 || r.EndsWithFirst() || r.Pid == 0 {
		return nil
	}
	if _, err := r.SignalMembers(unix.SIGKILL); err != nil && !errors.Is(err, errLostProcesses) {
		return err
	}
	return nil
}

// holdMembers opens pidfds of the processes that are not held yet, adds them to held,
// and returns their number. After an error it adds none: a process that has not been
// checked may be a stranger, and must not get a signal.
func (r *Record) holdMembers(held map[int]*os.File) (added int, err error) {
	pids, err := r.Processes()
	if err != nil {
		return 0, err
	}
	opened := map[int]*os.File{}
	for _, pid := range pids {
		if held[pid] != nil {
			continue
		}
		fd, err := unix.PidfdOpen(pid, 0)
		if IsNoProcess(err) {
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
	now, err := r.Processes()
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

func signalPidfds(held map[int]*os.File, signal unix.Signal) error {
	for pid, f := range held {
		err := unix.PidfdSendSignal(int(f.Fd()), signal, nil, 0)
		if err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("send %s to process %d: %w", unix.SignalName(signal), pid, err)
		}
	}
	return nil
}

// ErrNotRunning has runc's wording: containerd looks for it.
var ErrNotRunning = errors.New("container not running")

// SignalAll signals all processes of the container, including those that its first
// process has left running. It is an error if there are none, unless all was requested.
func (r *Record) SignalAll(signal unix.Signal, all bool) error {
	if len(r.Cgroups) == 0 {
		n, err := r.SignalMembers(signal)
		if n == 0 && !all && (err == nil || errors.Is(err, errLostProcesses)) {
			return ErrNotRunning
		}
		return err
	}
	cgroup := group.Open(r.Cgroups)
	pids, err := cgroup.TreeProcesses()
	if err != nil {
		return err
	}
	if len(pids) == 0 && !all {
		return ErrNotRunning
	}
	debuglog.Printf("send %s to the processes %v of the container's cgroup", unix.SignalName(signal), pids)
	if err := cgroup.Kill(signal); err != nil {
		return err
	}
	if signal == unix.SIGKILL {
		return r.Thaw()
	}
	return nil
}
