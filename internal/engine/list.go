package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/docker/go-units"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/container/control"
	"github.com/minirun/minirun/internal/container/record"
)

// A Listed is a container as shown by `ps`.
type Listed struct {
	Record
	State  string  `json:"state"` // as in the runtime; exited, if it no longer exists there
	Pid    int     `json:"pid,omitempty"`
	End    *End    `json:"end,omitempty"`
	Health *Health `json:"healthState,omitempty"`
}

// Exited is the state of a container that no longer exists in the runtime.
const Exited = "exited"

// List lists the containers created from images by name; if all is set, also those
// that are not running.
func (e *Engine) List(all bool) ([]Listed, error) {
	ids, err := e.Store.Containers()
	if err != nil {
		return nil, err
	}
	slices.Sort(ids)
	out := []Listed{}
	for _, id := range ids {
		one, err := e.Status(id)
		if errors.Is(err, ErrNoContainer) {
			continue // removed meanwhile, or still being created
		}
		if err != nil {
			return nil, err
		}
		if all || one.State != Exited && one.State != string(specs.StateStopped) {
			out = append(out, *one)
		}
	}
	return out, nil
}

// Status returns the status of one container.
func (e *Engine) Status(id string) (*Listed, error) {
	r, err := e.Record(id)
	if err != nil {
		return nil, err
	}
	l := &Listed{Record: *r, State: Exited}
	switch state, err := control.State(e.Root, id); {
	case err == nil:
		l.State, l.Pid = string(state.Status), state.Pid
	case !errors.Is(err, record.ErrNotExist):
		return nil, err
	}
	var end End
	if err := readJSON(e.file(id, endFile), &end); err == nil {
		l.End = &end
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var h Health
	if r.Health != nil && l.Pid != 0 {
		if err := readJSON(e.file(id, healthFile), &h); err == nil {
			l.Health = &h
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return l, nil
}

// isRunning reports whether a container's program is running.
func (e *Engine) isRunning(id string) bool {
	state, err := control.State(e.Root, id)
	return err == nil && state.Status != specs.StateStopped
}

// Status returns the status in words, for ps.
func (l *Listed) Status() string {
	since := func(t time.Time) string { return units.HumanDuration(time.Since(t)) }
	switch {
	case l.State == Exited && l.End != nil:
		return fmt.Sprintf("Exited (%d) %s ago", l.End.Status, since(l.End.Finished))
	case l.State == Exited:
		return "Exited, status unknown"
	case l.State == string(specs.StateRunning):
		text := "Up " + since(l.Created)
		if l.Health != nil {
			text += " (" + l.Health.text() + ")"
		}
		return text
	}
	return string(l.State[0]-'a'+'A') + l.State[1:]
}
