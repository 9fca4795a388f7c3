package imagecheck

import (
	"testing"
	"time"
)

// TestProbeAfterStop: only a probe that began after the servers were stopped says something about the check.
func TestProbeAfterStop(t *testing.T) {
	stopped := time.Unix(100, 0)
	var h healthState
	add := func(second int64, code int) {
		h.Health.Log = append(h.Health.Log, struct {
			Start    time.Time
			ExitCode int
		}{time.Unix(second, 0), code})
	}
	add(99, 0)
	add(101, 1)
	if h.succeededAfter(stopped) {
		t.Error("a probe before the stop, or a failed one, counts")
	}
	if add(102, 0); !h.succeededAfter(stopped) {
		t.Error("a probe that succeeds does not count")
	}
}
