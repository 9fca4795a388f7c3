package record

import (
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/bootstrap"
	"github.com/minirun/minirun/internal/cgroups/group"
	"github.com/minirun/minirun/internal/debuglog"
)

// Status returns the container's state in OCI's terms, or "paused" as in runc. The
// error is for a process that cannot be inspected and may be alive.
func (r *Record) Status() (specs.ContainerState, error) {
	status, err := r.readStatus()
	debuglog.Printf("container %q is %s, its first process is %d", r.ID, status, r.Pid)
	return status, err
}

func (r *Record) readStatus() (specs.ContainerState, error) {
	f, err := r.OpenProcess()
	switch {
	case err != nil:
		return "", fmt.Errorf("container %q: %w", r.ID, err)
	case f != nil:
		defer f.Close()
		return r.LivingStatus(), nil
	case r.Pid == 0:
		return specs.StateCreating, nil
	}
	return specs.StateStopped, nil
}

// LivingStatus returns the state of a container whose first process exists.
func (r *Record) LivingStatus() specs.ContainerState {
	switch {
	case r.IsPaused(): // also before its program: start would wait for a frozen process
		return StatePaused
	case bootstrap.InPlan(r.Pid) && r.Socket != 0:
		return specs.StateCreated
	case bootstrap.InPlan(r.Pid):
		return specs.StateCreating
	}
	return specs.StateRunning
}

// StatePaused is the state of a container whose processes are frozen. It comes from
// runc: the specification does not define it.
const StatePaused specs.ContainerState = "paused"

// OCIState returns the document for hooks and `state` (runtime.md, "State").
func (r *Record) OCIState(status specs.ContainerState, pid int) *specs.State {
	return &specs.State{
		Version: specs.Version, ID: r.ID, Status: status, Pid: pid, Bundle: r.Bundle, Annotations: r.Annotations,
	}
}

// IsPaused reports whether the container's processes are stopped, or will be. If that
// cannot be read they are assumed to be running: the commands that change it report
// the reason.
func (r *Record) IsPaused() bool {
	paused, err := group.Open(r.Cgroups).IsPaused()
	return err == nil && paused
}
