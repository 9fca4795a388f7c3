package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/container/control"
	"github.com/minirun/minirun/internal/container/record"
	"github.com/minirun/minirun/internal/flock"
)

// A Listed is a container as shown by `ps`.
type Listed struct {
	Record
	State   string    `json:"state"` // as in the runtime; created or exited, if it does not exist there
	Pid     int       `json:"pid,omitempty"`
	Started time.Time `json:"started,omitzero"` // when the runtime created it
	End     *End      `json:"end,omitempty"`
	Health  *Health   `json:"healthState,omitempty"`
}

// The states of a container that does not exist in the runtime: its end was recorded, or it was
// never started.
const (
	Exited  = "exited"
	Created = string(specs.StateCreated)
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

// IsRunning reports whether the container has processes, which may be paused.
func (l *Listed) IsRunning() bool {
	return l.Pid != 0 && l.State != Exited && l.State != string(specs.StateStopped)
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
		l.State, l.Pid, l.Started = string(state.Status), state.Pid, state.Created
	case !errors.Is(err, record.ErrNotExist):
		return nil, err
	}
	var end End
	if err := readJSON(e.file(id, endFile), &end); err == nil {
		l.End = &end
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if _, err := os.Lstat(e.file(id, attendedFile)); errors.Is(err, fs.ErrNotExist) && l.Pid == 0 && l.End == nil {
		l.State = Created
	}
	if r.Health != nil && l.Pid != 0 {
		l.Health, err = e.readHealth(id)
	}
	return l, err
}

// readHealth returns the result of the health checks of a running container; nil before the first.
// Without the process that performs them it is unknown, whatever the last one was.
func (e *Engine) readHealth(id string) (*Health, error) {
	var h Health
	if err := readJSON(e.file(id, healthFile), &h); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	attended, err := e.isAttended(id)
	if err == nil && !attended {
		h.Status = Unknown
	}
	return &h, err
}

// Unknown is the health status of a container whose monitor was killed.
const Unknown = "unknown"

// isAttended reports whether a process attends the container.
func (e *Engine) isAttended(id string) (bool, error) {
	f, err := os.Open(e.file(id, attendedFile))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	err = flock.Lock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return true, nil
	}
	return false, err
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
		text := "Up " + since(l.Started)
		if l.Health != nil {
			text += " (" + l.Health.text() + ")"
		}
		return text
	case l.State == string(record.StatePaused):
		return "Up " + since(l.Started) + " (Paused)"
	}
	return string(l.State[0]-'a'+'A') + l.State[1:]
}
