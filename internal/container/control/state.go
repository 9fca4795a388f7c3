package control

import (
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/container/record"
)

// A Report is the state of a container (runtime.md, "State"), with runc's additional
// fields.
type Report struct {
	specs.State
	Rootfs  string    `json:"rootfs"`
	Created time.Time `json:"created"`
}

// State reports the state of a container.
func State(root, id string) (*Report, error) {
	r, err := record.Read(root, id)
	if err != nil {
		return nil, err
	}
	status, err := r.Status()
	if err != nil {
		return nil, err
	}
	pid := r.Pid
	if status == specs.StateStopped {
		pid = 0
	}
	return &Report{*r.OCIState(status, pid), r.Rootfs, r.Created}, nil
}

// Processes lists the processes of a container, as PIDs of the host, from its cgroups
// and those below them, or without a cgroup as described above; nil if there are none.
func Processes(root, id string) ([]int, error) {
	r, err := record.Read(root, id)
	if err != nil {
		return nil, err
	}
	return r.Processes()
}
