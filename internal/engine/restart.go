package engine

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/container"
	"github.com/minirun/minirun/internal/container/wait"
	"github.com/minirun/minirun/internal/engine/attendance"
	"github.com/minirun/minirun/internal/engine/restart"
	"github.com/minirun/minirun/internal/signals"
)

// SetRestart sets the restart policy from the flag of run.
func (s *Settings) SetRestart(text string) (err error) {
	s.Restart, err = restart.Parse(text)
	switch {
	case err != nil:
		return err
	case s.Restart.When != "" && s.Remove:
		return fmt.Errorf("--restart %s cannot be combined with --rm, which removes the container when it ends", text)
	case s.Restart.When != "" && !s.Detach:
		return fmt.Errorf("--restart %s needs --detach: a monitor in the background starts the container again", text)
	}
	return nil
}

// restart starts a container again for as long as its restart policy asks for it, and returns its
// last end.
func (a *attendant) restart(o container.Options, end *End) (*End, error) {
	e := a.engine
	var b restart.Backoff
	for {
		r, err := e.Record(a.id) // update may have changed the policy
		if err != nil {
			return end, nil // removed by force from outside
		}
		inRow := b.Ran(end.Finished.Sub(a.Now.Started))
		if !r.Restart.Applies(end.Status, inRow) || !a.awaitRestart(b.Next()) {
			a.Report(func(now *attendance.Report) { now.Next = nil })
			return end, nil
		}
		a.Report(func(now *attendance.Report) { now.Restarts++ }) // Next is in the past until the program runs
		again, err := a.runOnce(r, o, func() {})
		if again == nil { // it did not start
			e.Warn(fmt.Errorf("restart: %w", err))
			now := time.Now().UTC()
			again, err = &End{Status: StatusOf(err), Finished: now}, nil
			a.Report(func(n *attendance.Report) { n.Started = now })
			if err := a.recordEnd(again); err != nil {
				return again, err
			}
		}
		if end = again; err != nil {
			return end, err
		}
	}
}

// awaitRestart waits until a restart is due, and reports whether it still is: not after a stop, or a
// signal that asks this process to exit.
func (a *attendant) awaitRestart(delay time.Duration) bool {
	at := time.Now().Add(delay).UTC()
	a.Report(func(now *attendance.Report) { now.Next = &at })
	var fds []unix.PollFd
	queue := signals.Current()
	if queue != nil {
		fds = append(fds, unix.PollFd{Fd: int32(queue.FD), Events: unix.POLLIN})
	}
	for {
		if a.asked || a.engine.stopRequest(a.id).Stop || queue != nil && queue.HasTermination() {
			return false
		}
		left := time.Until(at)
		if left <= 0 {
			return true
		}
		if err := wait.Poll(fds, min(left, 50*time.Millisecond)); err != nil && !errors.Is(err, unix.EINTR) {
			return false
		}
	}
}
