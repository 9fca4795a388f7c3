package engine

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/container/control"
	"github.com/minirun/minirun/internal/container/record"
	"github.com/minirun/minirun/internal/engine/attendance"
	"github.com/minirun/minirun/internal/engine/network"
)

// A Listed is a container as shown by `ps`.
type Listed struct {
	Record
	State    string             `json:"state"` // as in the runtime, or one of those below
	Pid      int                `json:"pid,omitempty"`
	Attended bool               `json:"attended"` // a minirun process attends it: see attendant
	Started  time.Time          `json:"started,omitzero"`
	Restarts int                `json:"restarts"` // by its restart policy, since the last start
	End      *End               `json:"end,omitempty"`
	Health   *Health            `json:"healthState,omitempty"`
	Networks []network.Endpoint `json:"networks,omitempty"` // with what the container got, if it runs
	Notes    string             `json:"notes,omitempty"`    // the file with warnings of its monitor, if there are any
}

// The states of a container that does not exist in the runtime.
const (
	Created    = string(specs.StateCreated) // it was never started
	Exited     = "exited"                   // its end was recorded, or the process that would do it was killed
	Restarting = "restarting"               // its restart policy will start it again
)

// List lists the containers created from images, the newest first; if all is set, also those that
// are not running.
func (e *Engine) List(all bool) ([]Listed, error) {
	ids, err := e.Store.Containers()
	if err != nil {
		return nil, err
	}
	out := []Listed{}
	for _, id := range ids {
		one, err := e.Status(id)
		if errors.Is(err, ErrNoContainer) {
			continue // removed meanwhile, or still being created
		}
		if err != nil {
			return nil, err
		}
		if all || one.IsRunning() {
			out = append(out, *one)
		}
	}
	slices.SortFunc(out, func(a, b Listed) int {
		if order := b.Created.Compare(a.Created); order != 0 {
			return order
		}
		return strings.Compare(a.Container, b.Container)
	})
	return out, nil
}

// IsRunning reports whether the container has processes, which may be paused, or will soon have some.
func (l *Listed) IsRunning() bool {
	return l.State == Restarting || l.Pid != 0
}

// Status returns the status of one container.
func (e *Engine) Status(id string) (*Listed, error) {
	r, err := e.Record(id)
	if err != nil {
		return nil, err
	}
	now, attended := e.attendance(id)
	l := &Listed{Record: *r, State: Exited, Attended: attended, Started: now.Started, Restarts: now.Restarts}
	if l.End, err = e.readEnd(id, now); err != nil {
		return nil, err
	}
	switch {
	case attended && now.Next != nil:
		l.State = Restarting
	case now.Started.IsZero() && l.End == nil:
		l.State = Created
	}
	switch state, err := control.State(e.Root, id); {
	case err == nil && state.Status == specs.StateStopped: // its attendant, if there is one, is about to delete it
		l.State, l.End = Exited, nil
	case err == nil:
		l.State, l.Pid = string(state.Status), state.Pid
	case !errors.Is(err, record.ErrNotExist):
		return nil, err
	}
	if l.Networks, err = e.networks().Endpoints(id); err != nil {
		return nil, err
	}
	if path := e.file(id, notesFile); isFile(path) {
		l.Notes = path
	}
	if r.Health != nil && l.Pid != 0 {
		l.Health, err = e.readHealth(id, attended)
	}
	return l, err
}

// readEnd returns the last end of a container; nil if it has not ended, or its end is not recorded.
func (e *Engine) readEnd(id string, now attendance.Report) (*End, error) {
	if now.Running { // the file belongs to an earlier run
		return nil, nil
	}
	var end End
	if err := readJSON(e.file(id, endFile), &end); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	return &end, nil
}

// readHealth returns the result of the health checks of a running container; nil before the first.
// Without the process that performs them it is unknown, whatever the last one was.
func (e *Engine) readHealth(id string, attended bool) (*Health, error) {
	if !attended {
		return &Health{Status: Unknown}, nil
	}
	var h Health
	if err := readJSON(e.file(id, healthFile), &h); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	return &h, nil
}

// hasProcess reports whether a container's first process exists, paused or not.
func (e *Engine) hasProcess(id string) bool {
	state, err := control.State(e.Root, id)
	return err == nil && state.Pid != 0 && state.Status != specs.StateStopped
}

// isRunning reports whether a container runs or is being created. If its creator was killed, nothing
// continues the creation, so only an attended container is being created.
func (e *Engine) isRunning(id string) bool {
	state, err := control.State(e.Root, id)
	if err == nil && state.Pid == 0 {
		_, attended := e.attendance(id)
		return attended && state.Status != specs.StateStopped
	}
	return err == nil && state.Status != specs.StateStopped
}
