package engine

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/minirun/minirun/internal/image"
)

// This file implements HEALTHCHECK (Dockerfile reference, HEALTHCHECK): when to probe,
// and what follows from the result. The kernel and the runtime are not involved: the
// monitor runs a program in the container now and then, and counts how often it fails.

// A Health is a container's health status.
type Health struct {
	Status string  `json:"status"` // starting, healthy or unhealthy
	Streak int     `json:"streak"` // failures in a row
	Log    []Probe `json:"log"`    // the last few, most recent last
}

// The health statuses.
const (
	Starting  = "starting"
	Healthy   = "healthy"
	Unhealthy = "unhealthy"
	Unknown   = "unknown" // nothing runs the checks any more
)

// A Probe is the result of one health check.
type Probe struct {
	Start  time.Time `json:"start"`
	End    time.Time `json:"end"`
	Status int       `json:"status"` // 0 is healthy; -1: it did not exit in time, or could not be run
	Output string    `json:"output"`
}

// Docker's defaults, and the number of probes that are kept.
const (
	defaultInterval      = 30 * time.Second
	defaultTimeout       = 30 * time.Second
	defaultStartInterval = 5 * time.Second
	defaultRetries       = 3
	keptProbes           = 5
	keptOutput           = 4096
)

func orElse(d, other time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return other
}

// health returns the image's HEALTHCHECK with the changes from flags; nil for none.
func (s *Settings) health(h *image.Healthcheck) (*image.Healthcheck, error) {
	if s.NoHealth {
		return nil, nil
	}
	var out image.Healthcheck
	if h != nil {
		out = *h
		out.Test = slices.Clone(h.Test)
	}
	if s.HealthCommand != "" {
		out.Test = []string{"CMD-SHELL", s.HealthCommand}
	}
	for _, set := range []struct {
		to   *time.Duration
		from time.Duration
	}{{&out.Interval, s.HealthInterval}, {&out.Timeout, s.HealthTimeout}, {&out.StartPeriod, s.HealthStart},
		{&out.StartInterval, s.HealthStartInterval}} {
		if set.from != 0 {
			*set.to = set.from
		}
	}
	if s.HealthRetries != 0 {
		out.Retries = s.HealthRetries
	}
	if len(out.Test) == 0 || out.Test[0] == "NONE" {
		return nil, nil
	}
	return &out, checkHealth(&out)
}

// minHealthTime is the shortest time of a HEALTHCHECK, as in Docker. A check starts
// several processes: an image must not keep the host busy that way.
const minHealthTime = time.Millisecond

// checkHealth refuses what Docker refuses when a container is created. Zero means the
// default.
func checkHealth(h *image.Healthcheck) error {
	for _, t := range []struct {
		name, hint string
		time       time.Duration
	}{
		{"interval", "give --health-interval", h.Interval}, {"timeout", "give --health-timeout", h.Timeout},
		{"start period", "give --health-start-period", h.StartPeriod},
		{"start interval", "run it with --no-healthcheck", h.StartInterval},
	} {
		if t.time != 0 && t.time < minHealthTime {
			return fmt.Errorf("HEALTHCHECK: %s %v: must not be less than %v\nhint: %s", t.name, t.time, minHealthTime,
				t.hint)
		}
	}
	if h.Retries < 0 {
		return fmt.Errorf("HEALTHCHECK: retries %d: must not be negative\nhint: give --health-retries", h.Retries)
	}
	return nil
}

// After returns the state after a probe. Failures in the start period do not count,
// unless the container has been healthy before.
func (h Health) After(p Probe, c *image.Healthcheck, started time.Time) Health {
	h.Log = append(append([]Probe(nil), h.Log...), p)
	h.Log = h.Log[max(0, len(h.Log)-keptProbes):]
	if p.Status == 0 {
		h.Status, h.Streak = Healthy, 0
		return h
	}
	if h.Status == Starting && p.Start.Sub(started) < c.StartPeriod {
		return h
	}
	h.Streak++
	retries := c.Retries
	if retries <= 0 {
		retries = defaultRetries
	}
	if h.Streak >= retries {
		h.Status = Unhealthy
	}
	return h
}

// Wait returns how long to wait before the next probe: the interval, or the start
// interval while the container is still starting within its start period.
func (h Health) Wait(c *image.Healthcheck, started, now time.Time) time.Duration {
	interval := orElse(c.Interval, defaultInterval)
	if h.Status == Starting && now.Sub(started) < c.StartPeriod {
		return min(interval, orElse(c.StartInterval, defaultStartInterval))
	}
	return interval
}

// probeCommand returns the command to run in the container.
func probeCommand(c *image.Healthcheck, shell []string) []string {
	switch c.Test[0] {
	case "CMD":
		return c.Test[1:]
	case "CMD-SHELL":
		if len(shell) == 0 {
			shell = []string{"/bin/sh", "-c"}
		}
		return append(append([]string(nil), shell...), strings.Join(c.Test[1:], " "))
	}
	return c.Test
}

// text formats the status for ps.
func (h Health) text() string {
	if h.Status == Unhealthy {
		return Unhealthy + ", " + strconv.Itoa(h.Streak) + " failures"
	}
	return h.Status
}
