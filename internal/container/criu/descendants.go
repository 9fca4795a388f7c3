package criu

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/container/record"
	"github.com/minirun/minirun/internal/container/wait"
)

// EndDescendants kills and reaps what criu(8) created for this process before it
// failed or was killed: its first process is a child of this one, and may not be in
// the cgroup yet. before has the earlier processes: a shell that executed minirun may
// have had children.
func EndDescendants(before map[int]int) error {
	own := os.Getpid()
	parents, err := record.ProcessParents()
	if err != nil {
		return err
	}
	for pid := range before {
		delete(parents, pid)
	}
	var failed error
	for _, pid := range record.AddDescendants(map[int]bool{own: true}, parents) {
		if pid != own {
			failed = errors.Join(failed, endDescendant(pid, parents[pid] == own))
		}
	}
	return failed
}

func endDescendant(pid int, child bool) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if record.IsNoProcess(err) {
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
		return record.Reap(pid)
	}
	return nil
}
