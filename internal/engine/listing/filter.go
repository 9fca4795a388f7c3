package listing

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/minirun/minirun/internal/engine"
	"github.com/minirun/minirun/internal/image"
)

// A test reports whether a container matches one filter.
type test func(*item) bool

// A filter is a list of tests by key: a container must match one of each key, but all labels.
type filter map[string][]test

// impliesAll reports whether the filter selects containers that are not running.
func (f filter) impliesAll() bool { return f["status"] != nil || f["exited"] != nil }

func (f filter) matches(i *item) bool {
	for key, tests := range f {
		matches := func(t test) bool { return t(i) }
		if key == "label" {
			matches = func(t test) bool { return !t(i) }
		}
		if slices.ContainsFunc(tests, matches) == (key == "label") {
			return false
		}
	}
	return true
}

// parsers parse the values of each key.
var parsers = map[string]func(l *lister, value string) (test, error){
	"id":       parseID,
	"name":     parseName,
	"label":    parseLabel,
	"status":   parseStatus,
	"exited":   parseExited,
	"ancestor": parseAncestor,
	"health":   parseHealth,
	"volume":   parseVolume,
	"network": func(_ *lister, value string) (test, error) {
		return func(i *item) bool { return slices.Contains(strings.Split(i.Network, ","), value) }, nil
	},
	"publish": parsePublish,
	"expose":  parsePublish,
	"before":  func(l *lister, value string) (test, error) { return l.parseAge(value, -1) },
	"since":   func(l *lister, value string) (test, error) { return l.parseAge(value, 1) },
}

// IsFilter reports whether a value of -f is a filter, and not a format as in runc's `ps -f json ID`.
func IsFilter(text string) bool {
	key, _, ok := strings.Cut(text, "=")
	return ok && strings.Trim(key, "abcdefghijklmnopqrstuvwxyz-") == ""
}

// parseFilter parses the values of --filter.
func (l *lister) parseFilter(texts []string) (filter, error) {
	f := filter{}
	for _, text := range texts {
		key, value, ok := strings.Cut(text, "=")
		parse := parsers[key]
		var err error
		var t test
		switch {
		case !ok:
			err = errors.New("must be KEY=VALUE")
		case parse == nil:
			err = fmt.Errorf("unknown key %q\nhint: use id, name, label, status, exited, ancestor, health, volume, "+
				"network, publish, before or since", key)
		default:
			t, err = parse(l, value)
		}
		if err != nil {
			return nil, fmt.Errorf("--filter %s: %w", text, err)
		}
		f[key] = append(f[key], t)
	}
	return f, nil
}

func parseID(_ *lister, value string) (test, error) {
	return func(i *item) bool { return strings.HasPrefix(i.ContainerID(), value) }, nil
}

func parseName(_ *lister, value string) (test, error) {
	pattern, err := regexp.Compile(value)
	if err != nil {
		return nil, err
	}
	return func(i *item) bool { // docker's names begin with a slash
		return pattern.MatchString(i.Container) || pattern.MatchString("/"+i.Container)
	}, nil
}

func parseLabel(_ *lister, value string) (test, error) {
	name, want, exact := strings.Cut(value, "=")
	return func(i *item) bool {
		got, ok := i.labels()[name]
		return ok && (!exact || got == want)
	}, nil
}

func parseStatus(_ *lister, value string) (test, error) {
	states := []string{"created", "restarting", "running", "paused", "exited", "removing", "dead"}
	if !slices.Contains(states, value) {
		return nil, fmt.Errorf("the status must be one of %s", strings.Join(states, ", "))
	}
	return func(i *item) bool { return i.state() == value }, nil
}

// state returns the state in docker's words.
func (i *item) state() string {
	if i.State == "stopped" {
		return engine.Exited
	}
	return i.State
}

func parseExited(_ *lister, value string) (test, error) {
	status, err := strconv.Atoi(value)
	if err != nil {
		return nil, errors.New("must be an exit status")
	}
	return func(i *item) bool { return i.state() == engine.Exited && i.End != nil && i.End.Status == status }, nil
}

func parseAncestor(_ *lister, value string) (test, error) {
	full := ""
	if n, err := image.ParseName(value); err == nil {
		full = n.String()
	}
	id := strings.TrimPrefix(value, "sha256:")
	return func(i *item) bool {
		return full == i.Name || len(id) >= 4 && strings.HasPrefix(strings.TrimPrefix(i.ID, "sha256:"), id) ||
			value == i.Manifest
	}, nil
}

func parseHealth(_ *lister, value string) (test, error) {
	states := []string{engine.Starting, engine.Healthy, engine.Unhealthy, engine.Unknown, "none"}
	if !slices.Contains(states, value) {
		return nil, fmt.Errorf("the health must be one of %s", strings.Join(states, ", "))
	}
	return func(i *item) bool {
		if i.Listed.Health == nil {
			return value == "none"
		}
		return i.Listed.Health.Status == value
	}, nil
}

func parseVolume(_ *lister, value string) (test, error) {
	return func(i *item) bool {
		return slices.ContainsFunc(i.mounts(), func(m mount) bool { return m.name == value || m.destination == value })
	}, nil
}

// parseAge compares the time of creation with that of another container.
func (l *lister) parseAge(other string, order int) (test, error) {
	name, err := l.engine.Resolve(other)
	if err != nil {
		return nil, err
	}
	r, err := l.engine.Record(name)
	if err != nil {
		return nil, err
	}
	return func(i *item) bool { return i.Created.Compare(r.Created) == order }, nil
}
