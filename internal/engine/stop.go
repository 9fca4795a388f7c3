package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/container/control"
	"github.com/minirun/minirun/internal/container/record"
	"github.com/minirun/minirun/internal/engine/attendance"
)

// A StopWay is how a container is asked to exit.
type StopWay struct {
	Signal  string // "": the one that the container or its image specifies
	Seconds *int   // after which it is killed; nil: as the container specifies, or 10; -1: never
}

// defaultStopTimeout is Docker's, in seconds.
const defaultStopTimeout = 10

// patience returns how long a container may take to exit.
func (w *StopWay) patience(r *Record) time.Duration {
	seconds := defaultStopTimeout
	switch {
	case w.Seconds != nil:
		seconds = *w.Seconds
	case r.StopTimeout != nil:
		seconds = *r.StopTimeout
	}
	if seconds < 0 {
		return 1 << 62
	}
	return time.Duration(seconds) * time.Second
}

// Check refuses a signal that does not exist.
func (w *StopWay) Check() error {
	if w.Signal == "" {
		return nil
	}
	_, err := control.ParseSignal(w.Signal)
	return err
}

// kill is the way of rm --force.
var kill = StopWay{Signal: "SIGKILL"}

// A stopRequest tells the attendant that a command ends the container, so that its restart policy
// does not start it again. It stays until the next start.
type stopRequest struct {
	Stop bool `json:"stop"`
	Keep bool `json:"keep,omitempty"` // its files, although it was started with --rm
}

// stopRequest returns the request for a container; the zero value if there is none.
func (e *Engine) stopRequest(id string) (q stopRequest) {
	_ = readJSON(e.file(id, stopFile), &q)
	return q
}

// Stop asks a container to exit, and kills it if it has not exited in time. It returns when
// poststop hooks have run and its end is recorded.
func (e *Engine) Stop(id string, way StopWay) error {
	r, err := e.Record(id)
	if err != nil {
		return err
	}
	a, err := e.end(r, way, false)
	if a == nil || err != nil {
		return err
	}
	defer a.leave()
	return a.cleanUp(r, false)
}

// Kill sends a signal to a container, also to one that was not created from an image. After SIGKILL it
// returns when the end is recorded. As in Docker, SIGKILL and the signal of stop also end restarts.
func (e *Engine) Kill(id, signal string) error {
	number, err := control.ParseSignal(signal)
	if err != nil {
		return err
	}
	r, err := e.Record(id)
	if errors.Is(err, ErrNoContainer) {
		killed := control.Kill(e.Root, id, number, false)
		if errors.Is(killed, record.ErrNotExist) {
			return err
		}
		return killed
	}
	if err != nil {
		return err
	}
	if !e.hasProcess(id) {
		return fmt.Errorf("container %s is not running\nhint: start it with: minirun start %[1]s", id)
	}
	if number == unix.SIGKILL {
		return e.Stop(id, StopWay{Signal: signal})
	}
	ending, err := r.stopSignal("")
	if err == nil && number == ending {
		err = writeJSON(e.file(id, stopFile), stopRequest{Stop: true})
	}
	if err != nil {
		return err
	}
	return control.Kill(e.Root, id, number, false)
}

// The limits for the end of a container.
const (
	killPatience = 10 * time.Second
	hookPatience = 40 * time.Second // longer than a poststop hook may take
	pollInterval = 10 * time.Millisecond
)

// An ending is a container that a command ends.
type ending struct {
	engine   *Engine
	id       string
	signal   unix.Signal
	patience time.Duration // after the signal

	pid      int // of the process that got the signal
	killed   bool
	deadline time.Time // of what was sent last; without a process, of the attendant
}

// end asks a container to exit, waits until it has exited and its attendant has left, and attends
// it. Without an error the attendant is nil if the container is gone. keep is for a container that
// was started with --rm, and is about to be started again.
func (e *Engine) end(r *Record, way StopWay, keep bool) (*attendant, error) {
	signal, err := r.stopSignal(way.Signal)
	if err != nil {
		return nil, err
	}
	err = writeJSON(e.file(r.Container, stopFile), stopRequest{Stop: true, Keep: keep})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	n := &ending{engine: e, id: r.Container, signal: signal, patience: way.patience(r),
		deadline: time.Now().Add(hookPatience)}
	var a *attendant
	for ; ; time.Sleep(pollInterval) {
		if a == nil {
			a, err = e.attend(n.id)
			if errors.Is(err, fs.ErrNotExist) { // --rm, or it did not start
				return nil, nil
			}
			if err != nil && !errors.Is(err, attendance.ErrClaimed) {
				return nil, err
			}
		}
		running, err := n.proceed(a != nil)
		if err != nil && a != nil {
			a.leave()
		}
		if err != nil || a != nil && !running {
			return a, err
		}
	}
}

// proceed sends what is due to a container, and reports whether it is still running. The same
// container may run again meanwhile: its attendant has not seen the request before it started it.
// If this process owns it, nothing continues to create it.
func (n *ending) proceed(owned bool) (running bool, err error) {
	state, err := control.State(n.engine.Root, n.id)
	if err != nil && !errors.Is(err, record.ErrNotExist) {
		return false, err
	}
	if err != nil || state.Status == specs.StateStopped || state.Pid == 0 {
		if owned {
			return false, nil
		}
		return true, n.awaitAttendant()
	}
	switch {
	case state.Pid != n.pid:
		n.pid, n.killed = state.Pid, n.signal == unix.SIGKILL
		patience := n.patience
		if n.killed {
			patience = killPatience
		}
		n.deadline = time.Now().Add(patience)
		return true, n.send(n.signal, state)
	case time.Now().Before(n.deadline):
		return true, nil
	case n.killed:
		return true, fmt.Errorf("container %s is still running after SIGKILL", n.id)
	}
	n.killed, n.deadline = true, time.Now().Add(killPatience)
	return true, n.send(unix.SIGKILL, state)
}

// awaitAttendant limits the time without a process: before the first one, and after the last one,
// while poststop hooks run.
func (n *ending) awaitAttendant() error {
	if n.pid != 0 {
		n.pid, n.deadline = 0, time.Now().Add(hookPatience)
	}
	now, attended := n.engine.attendance(n.id)
	if attended && time.Now().After(n.deadline) {
		return errStuck(n.id, now.Pid)
	}
	return nil
}

// send sends a signal to the container, unless it exits meanwhile. A paused one is resumed: it would
// not see the signal.
func (n *ending) send(signal unix.Signal, state *control.Report) error {
	err := control.Kill(n.engine.Root, n.id, signal, false)
	if errors.Is(err, record.ErrNotRunning) || errors.Is(err, record.ErrNotExist) {
		return nil // it has just exited
	}
	if err == nil && state.Status == record.StatePaused && signal != unix.SIGKILL {
		err = control.Resume(n.engine.Root, n.id)
	}
	if err != nil && !n.engine.isRunning(n.id) {
		return nil
	}
	return err
}

// stopSignal returns the signal that asks a container to exit.
func (r *Record) stopSignal(given string) (unix.Signal, error) {
	switch {
	case given != "":
		return control.ParseSignal(given)
	case r.StopSignal == "":
		return unix.SIGTERM, nil
	}
	signal, err := control.ParseSignal(r.StopSignal)
	if err != nil {
		err = fmt.Errorf("the image's stop signal: %w", err)
	}
	return signal, err
}

// forgetStop removes the request to stop, before a start.
func (e *Engine) forgetStop(id string) error {
	err := os.Remove(e.file(id, stopFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
