package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/docker/go-units"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/container"
)

// A Listed is a container as `ps` shows it.
type Listed struct {
	Record
	State  string  `json:"state"` // as the runtime's; exited, if it is gone there
	Pid    int     `json:"pid,omitempty"`
	End    *End    `json:"end,omitempty"`
	Health *Health `json:"healthState,omitempty"`
}

// Exited is the state of a container that the runtime knows no more.
const Exited = "exited"

// List lists the containers of images by name; with all set also those that do not
// run.
func (e *Engine) List(all bool) ([]Listed, error) {
	ids, err := e.Store.Containers()
	if err != nil {
		return nil, err
	}
	slices.Sort(ids)
	out := []Listed{}
	for _, id := range ids {
		one, err := e.Look(id)
		if errors.Is(err, ErrNoContainer) {
			continue // removed meanwhile, or being made
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

// Look says what there is to say of one container.
func (e *Engine) Look(id string) (*Listed, error) {
	r, err := e.Record(id)
	if err != nil {
		return nil, err
	}
	l := &Listed{Record: *r, State: Exited}
	switch state, err := container.State(e.Root, id); {
	case err == nil:
		l.State, l.Pid = string(state.Status), state.Pid
	case !errors.Is(err, container.ErrNotExist):
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

// runs says whether a container's program runs.
func (e *Engine) runs(id string) bool {
	state, err := container.State(e.Root, id)
	return err == nil && state.Status != specs.StateStopped
}

// Status is what ps says in words.
func (l *Listed) Status() string {
	since := func(t time.Time) string { return units.HumanDuration(time.Since(t)) }
	switch {
	case l.State == Exited && l.End != nil:
		return fmt.Sprintf("Exited (%d) %s ago", l.End.Status, since(l.End.Finished))
	case l.State == Exited:
		return "Exited, nobody saw how"
	case l.State == string(specs.StateRunning):
		text := "Up " + since(l.Created)
		if l.Health != nil {
			text += " (" + l.Health.text() + ")"
		}
		return text
	}
	return string(l.State[0]-'a'+'A') + l.State[1:]
}
