package history

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/minirun/minirun/internal/build/records"
	"github.com/minirun/minirun/internal/keyvalue"
)

// A Filter reports whether a build is selected.
type Filter func(*records.Record) bool

// ParseFilter parses the values of --filter. A build is selected if all of them match.
func ParseFilter(texts []string, now time.Time) (Filter, error) {
	return keyvalue.ParseFilters(texts, func(text string) (Filter, error) { return parseCondition(text, now) })
}

// parseCondition parses KEY=VALUE, KEY!=VALUE, KEY<VALUE or KEY>VALUE.
func parseCondition(text string, now time.Time) (Filter, error) {
	at := strings.IndexAny(text, "!=<>")
	if at < 1 {
		return nil, errors.New("must be KEY=VALUE, KEY!=VALUE, KEY<VALUE or KEY>VALUE")
	}
	key, op, value := text[:at], text[at:at+1], text[at+1:]
	if op == "!" && strings.HasPrefix(value, "=") {
		op, value = "!=", value[1:]
	}
	switch key {
	case "ref", "status":
		return equalityCondition(key, op, value)
	case "duration":
		return durationCondition(op, value, now)
	case "startedAt", "completedAt":
		return timeCondition(key, op, value, now)
	case "repository":
		return nil, errors.New("the repository of a context is not recorded")
	}
	return nil, errors.New("unknown key: must be ref, status, startedAt, completedAt or duration")
}

func equalityCondition(key, op, value string) (Filter, error) {
	if op != "=" && op != "!=" {
		return nil, fmt.Errorf("%s is compared with = and !=", key)
	}
	if key == "ref" {
		return func(r *records.Record) bool { return (r.ID == value) == (op == "=") }, nil
	}
	want, ok := parseStatus(value)
	if !ok {
		return nil, fmt.Errorf("%q must be running, completed, error, canceled or interrupted", value)
	}
	return func(r *records.Record) bool { return (r.Status == want) == (op == "=") }, nil
}

func durationCondition(op, value string, now time.Time) (Filter, error) {
	want, err := time.ParseDuration(value)
	if err != nil || op != "<" && op != ">" {
		return nil, errors.New("must be a duration after < or >, such as duration>30s")
	}
	return func(r *records.Record) bool {
		d := r.Duration(now)
		return op == "<" && d < want || op == ">" && d > want
	}, nil
}

func timeCondition(key, op, value string, now time.Time) (Filter, error) {
	want, err := parseTime(value, now)
	if err != nil || op != "<" && op != ">" {
		return nil, errors.New("must be a time after < or >: 2006-01-02T15:04:05Z, or a duration before now, such as " +
			"24h")
	}
	return func(r *records.Record) bool {
		t := r.Started
		if key == "completedAt" {
			if r.Status == records.Running {
				return false
			}
			t = r.Completed
		}
		return op == "<" && t.Before(want) || op == ">" && t.After(want)
	}, nil
}

// parseStatus parses a status, as a record or a table names it.
func parseStatus(text string) (records.Status, bool) {
	switch text {
	case "success":
		return records.Completed, true
	case "error":
		return records.Failed, true
	}
	s := records.Status(text)
	return s, statusWord(s) != ""
}

// parseTime parses a time, or a duration before now.
func parseTime(text string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(text); err == nil {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.DateOnly, time.DateTime} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Parse(time.RFC3339, text)
}
