package engine

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/container"
	"github.com/minirun/minirun/internal/container/wait"
	"github.com/minirun/minirun/internal/signals"
)

// A RestartPolicy says whether a container is started again when it has ended: --restart.
type RestartPolicy struct {
	When string `json:"when,omitempty"` // "" is never
	Most int    `json:"most,omitempty"` // with on-failure: how often; 0: without a limit
}

// The values of When.
const (
	onFailure     = "on-failure"
	always        = "always"
	unlessStopped = "unless-stopped"
)

// ParseRestart parses no, on-failure[:N], always or unless-stopped.
func ParseRestart(text string) (RestartPolicy, error) {
	when, most, limited := strings.Cut(text, ":")
	p := RestartPolicy{When: when}
	switch {
	case limited && when == onFailure:
		n, err := strconv.Atoi(most)
		if err != nil || n < 0 {
			return p, fmt.Errorf("--restart %q: the number of restarts must be 0 (no limit) or more", text)
		}
		p.Most = n
		return p, nil
	case limited:
	case when == "no" || when == "":
		return RestartPolicy{}, nil
	case when == onFailure || when == always || when == unlessStopped:
		return p, nil
	}
	return p, fmt.Errorf("--restart %q: must be no, on-failure[:N], always or unless-stopped", text)
}

// SetRestart sets the restart policy from the flag of run.
func (s *Settings) SetRestart(text string) (err error) {
	s.Restart, err = ParseRestart(text)
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

func (p RestartPolicy) String() string {
	switch {
	case p.When == "":
		return "no"
	case p.Most > 0:
		return p.When + ":" + strconv.Itoa(p.Most)
	}
	return p.When
}

// applies reports whether the policy restarts a container that ended with this status, after it was
// restarted a number of times in a row.
func (p RestartPolicy) applies(status, restarts int) bool {
	switch p.When {
	case always, unlessStopped:
		return true
	case onFailure:
		return status != 0 && (p.Most == 0 || restarts < p.Most)
	}
	return false
}

// A backoff is the time to wait before a restart: it doubles until a run has lasted a while.
type backoff struct {
	delay    time.Duration // the last one
	restarts int           // since a run lasted
}

const (
	firstDelay   = 100 * time.Millisecond
	longestDelay = time.Minute
	lastingRun   = 10 * time.Second
)

// next returns the time to wait after a run.
func (b *backoff) next(ran time.Duration) time.Duration {
	if ran >= lastingRun {
		*b = backoff{}
	}
	b.restarts++
	b.delay = min(max(firstDelay, 2*b.delay), longestDelay)
	return b.delay
}

// restart starts a container again for as long as its restart policy asks for it, and returns its
// last end.
func (a *attendant) restart(o container.Options, end *End) (*End, error) {
	e := a.engine
	var b backoff
	for {
		r, err := e.Record(a.id) // update may have changed the policy
		if err != nil {
			return end, nil // removed by force from outside
		}
		ran := end.Finished.Sub(a.now.Started)
		if ran >= lastingRun {
			b.restarts = 0
		}
		if !r.Restart.applies(end.Status, b.restarts) || !a.awaitRestart(b.next(ran)) {
			a.report(func(now *Attendance) { now.Next = nil })
			return end, nil
		}
		a.report(func(now *Attendance) { now.Restarts++ }) // Next is in the past until the program runs
		again, err := a.runOnce(r, o, func() {})
		if again == nil { // it did not start
			e.Warn(fmt.Errorf("restart: %w", err))
			now := time.Now().UTC()
			again, err = &End{Status: StatusOf(err), Finished: now}, nil
			a.report(func(n *Attendance) { n.Started = now })
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
	a.report(func(now *Attendance) { now.Next = &at })
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
