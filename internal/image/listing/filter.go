package listing

import (
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/store"
	"github.com/minirun/minirun/internal/keyvalue"
)

// A Filter reports whether an image is listed.
type Filter func(*store.Image) bool

// ParseFilters parses docker's filters for images: dangling, reference, label, before, since and
// until. Several references select the images that match one of them; otherwise all filters must
// match.
func ParseFilters(s *store.Store, texts []string, now time.Time) (Filter, error) {
	var references, others []string
	for _, text := range texts {
		if pattern, ok := strings.CutPrefix(text, "reference="); ok {
			references = append(references, pattern)
			continue
		}
		others = append(others, text)
	}
	for _, pattern := range references {
		if _, err := path.Match(pattern, ""); err != nil {
			return nil, fmt.Errorf("--filter reference=%s: %w", pattern, err)
		}
	}
	filter, err := keyvalue.ParseFilters(others, func(text string) (Filter, error) { return parseFilter(s, text, now) })
	if err != nil {
		return nil, err
	}
	return func(i *store.Image) bool {
		return filter(i) && (len(references) == 0 || matchesAny(i.Name, references))
	}, nil
}

func parseFilter(s *store.Store, text string, now time.Time) (Filter, error) {
	key, value, ok := strings.Cut(text, "=")
	if !ok {
		return nil, errors.New("must be KEY=VALUE, such as dangling=true")
	}
	switch key {
	case "dangling":
		want, err := strconv.ParseBool(value)
		if err != nil {
			return nil, errors.New("must be true or false")
		}
		return func(i *store.Image) bool { return (i.Name == "") == want }, nil
	case "label":
		return labelFilter(value), nil
	case "label!":
		has := labelFilter(value)
		return func(i *store.Image) bool { return !has(i) }, nil
	case "before", "since":
		other, err := s.OpenImage(value)
		if err != nil {
			return nil, err
		}
		return func(i *store.Image) bool {
			created, limit := createdAt(i), createdAt(other)
			return key == "before" && created.Before(limit) || key == "since" && created.After(limit)
		}, nil
	case "until":
		limit, err := parseTime(value, now)
		if err != nil {
			return nil, err
		}
		return func(i *store.Image) bool { return createdAt(i).Before(limit) }, nil
	}
	return nil, fmt.Errorf("unknown key %q\nhint: the keys are dangling, reference, label, before, since and until", key)
}

// labelFilter selects images with a label NAME or NAME=VALUE.
func labelFilter(text string) Filter {
	name, want, hasValue := strings.Cut(text, "=")
	return func(i *store.Image) bool {
		value, ok := i.Config.Config.Labels[name]
		return ok && (!hasValue || value == want)
	}
}

// parseTime parses a time, or a duration before now.
func parseTime(text string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(text); err == nil {
		return now.Add(-d), nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.Unix(n, 0), nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, errors.New("must be a duration such as 24h, a date such as 2026-01-31, or seconds since 1970")
}

func createdAt(i *store.Image) time.Time {
	if i.Config.Created == nil {
		return time.Time{}
	}
	return *i.Config.Created
}

// matchesAny reports whether an image's full name matches one of the patterns of path.Match, with or
// without its tag.
func matchesAny(full string, patterns []string) bool {
	n, err := image.ParseName(full)
	if err != nil {
		return false
	}
	familiar := n.Familiar()
	for _, pattern := range patterns {
		for _, name := range []string{familiar, Repository(n), full} {
			if ok, _ := path.Match(pattern, name); ok {
				return true
			}
		}
	}
	return false
}

// Repository returns a name in its familiar form, without its tag and digest.
func Repository(n image.Name) string {
	tag := n.Tag
	familiar, _, _ := strings.Cut(n.Familiar(), "@")
	if tag != "" {
		familiar = strings.TrimSuffix(familiar, ":"+tag)
	}
	return familiar
}
