// Package restart decides when a container is started again after it has exited: --restart. It is
// pure; the container's attendant acts on it.
package restart

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A Policy says when a container is started again.
type Policy struct {
	When string `json:"when,omitempty"` // "" is never
	Most int    `json:"most,omitempty"` // with on-failure: how often; 0: without a limit
}

// The values of When.
const (
	OnFailure     = "on-failure"
	Always        = "always"
	UnlessStopped = "unless-stopped"
)

// Parse parses no, on-failure[:N], always or unless-stopped.
func Parse(text string) (Policy, error) {
	when, most, limited := strings.Cut(text, ":")
	p := Policy{When: when}
	switch {
	case limited && when == OnFailure:
		n, err := strconv.Atoi(most)
		if err != nil || n < 0 {
			return p, fmt.Errorf("--restart %q: the number of restarts must be 0 (no limit) or more", text)
		}
		p.Most = n
		return p, nil
	case limited:
	case when == "no" || when == "":
		return Policy{}, nil
	case when == OnFailure || when == Always || when == UnlessStopped:
		return p, nil
	}
	return p, fmt.Errorf("--restart %q: must be no, on-failure[:N], always or unless-stopped", text)
}

func (p Policy) String() string {
	switch {
	case p.When == "":
		return "no"
	case p.Most > 0:
		return p.When + ":" + strconv.Itoa(p.Most)
	}
	return p.When
}

// Applies reports whether the policy restarts a container that exited with this status, after it was
// restarted a number of times in a row.
func (p Policy) Applies(status, restarts int) bool {
	switch p.When {
	case Always, UnlessStopped:
		return true
	case OnFailure:
		return status != 0 && (p.Most == 0 || restarts < p.Most)
	}
	return false
}

// A Backoff is the time to wait before a restart: it doubles until a run has lasted a while.
type Backoff struct {
	delay    time.Duration // the last one
	restarts int           // since a run lasted
}

const (
	firstDelay   = 100 * time.Millisecond
	longestDelay = time.Minute
	lastingRun   = 10 * time.Second
)

// Ran records how long a run took, and returns the number of restarts in a row before it.
func (b *Backoff) Ran(d time.Duration) (restarts int) {
	if d >= lastingRun {
		*b = Backoff{}
	}
	return b.restarts
}

// Next returns the time to wait before another restart, and counts it.
func (b *Backoff) Next() time.Duration {
	b.restarts++
	b.delay = min(max(firstDelay, 2*b.delay), longestDelay)
	return b.delay
}
