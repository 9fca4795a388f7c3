package record

import (
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/cgroups/group"
	"github.com/minirun/minirun/internal/container/wait"
	"github.com/minirun/minirun/internal/debuglog"
)

// FindLost warns about processes that delete cannot find, and so cannot kill.
func (r *Record) FindLost() (warning error) {
	if len(r.Cgroups) > 0 || r.EndsWithFirst() {
		return nil // all processes can be found: see processes
	}
	if _, err := r.Processes(); errors.Is(err, errLostProcesses) {
		return err
	}
	return nil
}

// End makes sure that the container's first process no longer exists. If it is still
// in the set-up, or waits for start, it may be killed: no other process will continue
// it.
func (r *Record) End(force bool) error {
	status, err := r.Status()
	if err != nil {
		return err
	}
	switch status {
	case specs.StateRunning, StatePaused:
		if !force {
			return fmt.Errorf("cannot delete container %q that is not stopped: it is %s\nhint: stop it first, or use --force",
				r.ID, status)
		}
	}
	if err := r.KillMembers(); err != nil {
		return err
	}
	if err := r.Kill(); err != nil {
		return err
	}
	pidfd, err := r.OpenProcess()
	if err != nil || pidfd == nil {
		return err
	}
	defer pidfd.Close()
	if !wait.ForExit(int(pidfd.Fd()), wait.KillLimit) {
		return fmt.Errorf("the container's first process, %d, does not exit after SIGKILL", r.Pid)
	}
	return nil
}

// Kill kills the container's first process, if it exists. A frozen process does not
// die before it is thawed.
func (r *Record) Kill() error {
	pidfd, err := r.OpenProcess()
	if err != nil || pidfd == nil {
		return err
	}
	defer pidfd.Close()
	debuglog.Printf("send SIGKILL to process %d", r.Pid)
	if err := unix.PidfdSendSignal(int(pidfd.Fd()), unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("kill the container's first process: %w", err)
	}
	return r.Thaw()
}

// Thaw lets a paused container continue, including cgroups that the container itself
// has frozen.
func (r *Record) Thaw() error {
	cgroup := group.Open(r.Cgroups)
	if !r.IsPaused() {
		return cgroup.ThawTree()
	}
	ctx, cancel := context.WithTimeout(context.Background(), wait.KillLimit)
	defer cancel()
	if err := cgroup.Thaw(ctx); err != nil {
		return err
	}
	return cgroup.ThawTree()
}
