package cmdline

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// momentFormats are the forms of a date that Docker accepts. Those without a zone are local times.
var momentFormats = [...]string{
	time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02T15:04Z07:00", "2006-01-02T15:04",
	"2006-01-02Z07:00", "2006-01-02",
}

// ParseMoment parses a time as users write it: RFC 3339, also without its last parts, seconds since
// 1970, or how long it was before now.
func ParseMoment(text string, now time.Time) (time.Time, error) {
	if t, ok := parseSeconds(text); ok {
		return t, nil
	}
	if d, err := time.ParseDuration(text); err == nil {
		return now.Add(-d), nil
	}
	for _, format := range momentFormats {
		if t, err := time.ParseInLocation(format, text, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a time: give a date such as 2026-11-30T18:00:00Z, "+
		"seconds since 1970, or a duration such as 10m", text)
}

// parseSeconds parses seconds since 1970 with up to nine decimals.
func parseSeconds(text string) (time.Time, bool) {
	whole, fraction, _ := strings.Cut(text, ".")
	seconds, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || len(fraction) > 9 {
		return time.Time{}, false
	}
	nanoseconds, err := strconv.ParseUint((fraction + "000000000")[:9], 10, 32)
	return time.Unix(seconds, int64(nanoseconds)), err == nil
}
