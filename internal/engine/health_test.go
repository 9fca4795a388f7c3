package engine

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minirun/minirun/internal/image"
)

// TestHealthStates: failures count in a row, after the start period, or once it has been healthy.
func TestHealthStates(t *testing.T) {
	started := time.Unix(1000, 0)
	check := &image.Healthcheck{StartPeriod: 10 * time.Second, Retries: 2}
	type probe struct {
		second, status int
		want           string
		streak         int
	}
	for name, probes := range map[string][]probe{
		"failures in the start period do not count": {{1, 1, Starting, 0}, {9, 1, Starting, 0}, {11, 1, Starting, 1},
			{12, 1, Unhealthy, 2}},
		"they count once it has been healthy": {{1, 0, Healthy, 0}, {2, 1, Healthy, 1}, {3, 1, Unhealthy, 2}},
		"a success starts again": {{11, 1, Starting, 1}, {12, 0, Healthy, 0}, {13, 1, Healthy, 1},
			{14, 0, Healthy, 0}},
		"it can recover": {{11, 1, Starting, 1}, {12, -1, Unhealthy, 2},
			{13, 0, Healthy, 0}},
	} {
		h := Health{Status: Starting}
		for i, p := range probes {
			h = h.After(Probe{Start: started.Add(time.Duration(p.second) * time.Second), Status: p.status}, check,
				started)
			if h.Status != p.want || h.Streak != p.streak {
				t.Errorf("%s: after probe %d %s, %d failures; want %s, %d", name, i, h.Status, h.Streak, p.want,
					p.streak)
			}
		}
	}
	h := Health{Status: Starting}
	for range 3 {
		h = h.After(Probe{Start: started, Status: 1}, &image.Healthcheck{}, started)
	}
	if h.Status != Unhealthy || h.text() != "unhealthy, 3 failures" {
		t.Errorf("after the default of three failures: %s", h.text())
	}
}

// TestHealthLog: only the last probes are kept, and the state before is not changed.
func TestHealthLog(t *testing.T) {
	before := Health{}
	for i := range keptProbes {
		before.Log = append(before.Log, Probe{Status: i})
	}
	after := before.After(Probe{Status: 99}, &image.Healthcheck{}, time.Time{})
	if len(after.Log) != keptProbes || after.Log[0].Status != 1 || after.Log[keptProbes-1].Status != 99 {
		t.Errorf("the log is %+v", after.Log)
	}
	if before.Log[0].Status != 0 || len(before.Log) != keptProbes {
		t.Errorf("the log before was changed: %+v", before.Log)
	}
}

func TestHealthInterval(t *testing.T) {
	started := time.Unix(1000, 0)
	check := &image.Healthcheck{Interval: time.Minute, StartPeriod: 10 * time.Second, StartInterval: 2 * time.Second}
	for _, c := range []struct {
		name   string
		status string
		check  *image.Healthcheck
		second int
		want   time.Duration
	}{
		{"starting", Starting, check, 1, 2 * time.Second},
		{"after the start period", Starting, check, 10, time.Minute},
		{"healthy in the start period", Healthy, check, 1, time.Minute},
		{"the defaults", Healthy, &image.Healthcheck{}, 1, 30 * time.Second},
		{"the default of the start", Starting, &image.Healthcheck{StartPeriod: time.Hour}, 1, 5 * time.Second},
		{"a short interval", Starting, &image.Healthcheck{StartPeriod: time.Hour, Interval: time.Second}, 1,
			time.Second},
	} {
		got := Health{Status: c.status}.Wait(c.check, started, started.Add(time.Duration(c.second)*time.Second))
		if got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestHealthFlags: flags replace what the image says, and times must not keep the host busy.
func TestHealthFlags(t *testing.T) {
	of := &image.Healthcheck{Test: []string{"CMD", "check"}, Interval: time.Minute, Retries: 5}
	got, err := (&Settings{HealthInterval: time.Second}).health(of)
	if err != nil || got.Interval != time.Second || got.Retries != 5 || !slices.Equal(got.Test, of.Test) ||
		of.Interval != time.Minute {
		t.Errorf("%+v, %v; the image's %+v", got, err, of)
	}
	got, err = (&Settings{HealthCommand: "true"}).health(nil)
	if err != nil || !slices.Equal(got.Test, []string{"CMD-SHELL", "true"}) {
		t.Errorf("%+v, %v", got, err)
	}
	for name, s := range map[string]*Settings{"--no-healthcheck": {NoHealth: true}} {
		if got, err := s.health(of); got != nil || err != nil {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	for _, none := range []*image.Healthcheck{nil, {}, {Test: []string{"NONE"}}} {
		if got, err := (&Settings{}).health(none); got != nil || err != nil {
			t.Errorf("%+v: %+v, %v", none, got, err)
		}
	}
	for _, bad := range []image.Healthcheck{{Interval: 1}, {Timeout: -time.Second}, {StartPeriod: 1},
		{StartInterval: 1}, {Retries: -1}} {
		bad.Test = []string{"CMD", "x"}
		if _, err := (&Settings{}).health(&bad); err == nil || !strings.Contains(err.Error(), "hint: ") {
			t.Errorf("%+v: %v, want an error with a hint", bad, err)
		}
	}
}

func TestProbeCommand(t *testing.T) {
	for _, c := range []struct {
		test, shell, want []string
	}{
		{[]string{"CMD", "curl", "-f"}, nil, []string{"curl", "-f"}},
		{[]string{"CMD-SHELL", "curl -f"}, nil, []string{"/bin/sh", "-c", "curl -f"}},
		{[]string{"CMD-SHELL", "x"}, []string{"/bin/ash", "-ec"}, []string{"/bin/ash", "-ec", "x"}},
		{[]string{"curl", "-f"}, nil, []string{"curl", "-f"}},
	} {
		if got := probeCommand(&image.Healthcheck{Test: c.test}, c.shell); !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, want %q", c.test, got, c.want)
		}
	}
}

// TestProbeOutput: only the beginning of the output is kept, and writing it never fails.
func TestProbeOutput(t *testing.T) {
	var b bounded
	for range 3 {
		if n, err := b.Write(make([]byte, keptOutput/2+1)); n != keptOutput/2+1 || err != nil {
			t.Fatalf("wrote %d, %v", n, err)
		}
	}
	if len(b.String()) != keptOutput {
		t.Errorf("%d bytes are kept, want %d", len(b.String()), keptOutput)
	}
}
