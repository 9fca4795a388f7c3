package engine

import (
	"errors"
	"fmt"

	"github.com/minirun/minirun/internal/engine/attendance"
	"github.com/minirun/minirun/internal/engine/restart"
)

// Start starts containers that have stopped, each attended by a new monitor. One that is running is
// left as it is.
func (e *Engine) Start(id string) error {
	r, err := e.Record(id)
	if err != nil {
		return err
	}
	a, err := e.attend(id)
	if errors.Is(err, attendance.ErrClaimed) {
		return e.awaitEndOfAttendant(r)
	}
	if err != nil {
		return err
	}
	defer a.leave()
	if e.hasProcess(id) {
		return fmt.Errorf("container %s is running, but the minirun process that attended it was killed\n"+
			"hint: stop it and start it again with: minirun restart %[1]s", id)
	}
	return a.start(r)
}

// awaitEndOfAttendant starts a container whose attendant is about to leave; one that runs is left.
func (e *Engine) awaitEndOfAttendant(r *Record) error {
	id := r.Container
	if now, _ := e.attendance(id); e.isRunning(id) || now.Next != nil {
		return nil
	}
	a, err := e.attendStopped(id)
	if a == nil || err != nil {
		return err
	}
	defer a.leave()
	return a.start(r)
}

// start cleans up after the last run, and hands the container to a new monitor.
func (a *attendant) start(r *Record) error {
	if err := a.cleanUp(r, true); err != nil {
		return err
	}
	if err := a.engine.forgetStop(a.id); err != nil {
		return err
	}
	a.Report(func(now *attendance.Report) { now.Restarts, now.Next = 0, nil })
	return a.handOver(r, nil)
}

// Restart stops a container as Stop does, and starts it again.
func (e *Engine) Restart(id string, way StopWay) error {
	r, err := e.Record(id)
	if err != nil {
		return err
	}
	a, err := e.end(r, way, true)
	if err != nil {
		return err
	}
	if a == nil {
		return fmt.Errorf("container %s has just been removed", id)
	}
	defer a.leave()
	return a.start(r)
}

// Due returns the containers that a start of the machine brings back: those whose restart policy is
// always, or unless-stopped and that no command has stopped.
func (e *Engine) Due() ([]string, error) {
	list, err := e.List(true)
	if err != nil {
		return nil, err
	}
	var due []string
	for _, l := range list {
		switch l.Restart.When {
		case restart.Always:
		case restart.UnlessStopped:
			if e.stopRequest(l.Container).Stop {
				continue
			}
		default:
			continue
		}
		due = append(due, l.Container)
	}
	return due, nil
}

// RemoveLost removes the containers that were started with --rm and whose attendant could not do it,
// because the machine stopped.
func (e *Engine) RemoveLost() error {
	list, err := e.List(true)
	if err != nil {
		return err
	}
	for _, l := range list {
		if l.Remove && l.State == Exited && !l.Attended {
			err = errors.Join(err, e.Remove(l.Container, false))
		}
	}
	return err
}

// SetRestart changes the restart policy of a container. Its attendant reads it when it ends.
func (e *Engine) SetRestart(id string, p restart.Policy) error {
	r, err := e.Record(id)
	if err != nil {
		return err
	}
	if r.Remove && p.When != "" {
		return fmt.Errorf("--restart %s: container %s was started with --rm, which removes it when it ends", p, id)
	}
	r.Restart = p
	return writeJSON(e.file(id, recordFile), r)
}
