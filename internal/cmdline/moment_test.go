package cmdline

import (
	"testing"
	"time"
)

func TestParseMoment(t *testing.T) {
	now := time.Date(2026, 11, 30, 18, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"2026-11-30T17:00:00Z":           "2026-11-30T17:00:00Z",
		"2026-11-30T17:00:00.5+01:00":    "2026-11-30T16:00:00.5Z",
		"2026-11-30T17:00:00.123456789Z": "2026-11-30T17:00:00.123456789Z",
		"2026-11-30Z":                    "2026-11-30T00:00:00Z",
		"10m":                            "2026-11-30T17:50:00Z",
		"1h30m":                          "2026-11-30T16:30:00Z",
		"0":                              "1970-01-01T00:00:00Z",
		"1136073600":                     "2006-01-01T00:00:00Z",
		"1136073600.000000001":           "2006-01-01T00:00:00.000000001Z",
	} {
		if got, err := ParseMoment(text, now); err != nil || got.UTC().Format(time.RFC3339Nano) != want {
			t.Errorf("%q: %v, %v, want %s", text, got.UTC(), err, want)
		}
	}
	local := time.Date(2026, 11, 30, 17, 4, 0, 0, time.Local)
	if got, err := ParseMoment("2026-11-30T17:04", now); err != nil || !got.Equal(local) {
		t.Errorf("a date without a zone: %v, %v, want %v", got, err, local)
	}
	for _, text := range []string{"", "yesterday", "1.x", "1.0000000001", "10 m", "2026-13-01", "-"} {
		if got, err := ParseMoment(text, now); err == nil {
			t.Errorf("%q: %v, want an error", text, got)
		}
	}
}
