package engine

import (
	"testing"
	"time"
)

// TestStopPatience: the command line comes first, then --stop-timeout of run, then Docker's default.
func TestStopPatience(t *testing.T) {
	number := func(n int) *int { return &n }
	for _, c := range []struct {
		given, recorded *int
		want            time.Duration
	}{
		{nil, nil, 10 * time.Second}, {number(0), nil, 0}, {number(3), number(60), 3 * time.Second},
		{nil, number(60), time.Minute}, {nil, number(0), 0}, {number(-1), nil, 1 << 62}, {nil, number(-1), 1 << 62},
	} {
		if got := (&StopWay{Seconds: c.given}).patience(&Record{StopTimeout: c.recorded}); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}
