package diskusage

import (
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/minirun/minirun/internal/image/store"
	"github.com/minirun/minirun/internal/keyvalue"
)

// A Filter reports whether an entry is selected.
type Filter func(*store.CacheEntry) bool

// ParseFilter parses the values of --filter. An entry is selected if all of them match.
func ParseFilter(texts []string, now time.Time) (Filter, error) {
	return keyvalue.ParseFilters(texts, func(text string) (Filter, error) { return parseCondition(text, now) })
}

// splitCondition splits KEY, KEY=VALUE, KEY!=VALUE or KEY~=VALUE.
func splitCondition(text string) (key, op, value string) {
	key, value, found := strings.Cut(text, "=")
	if !found {
		return key, "", ""
	}
	for _, mark := range []string{"!", "~"} {
		if before, marked := strings.CutSuffix(key, mark); marked {
			return before, mark + "=", value
		}
	}
	return key, "=", value
}

func parseCondition(text string, now time.Time) (Filter, error) {
	key, op, value := splitCondition(text)
	if key == "until" {
		long, err := time.ParseDuration(value)
		if err != nil || op != "=" {
			return nil, errors.Join(err, errors.New("must be until=DURATION, such as until=24h"))
		}
		return func(e *store.CacheEntry) bool { return e.Used.Before(now.Add(-long)) }, nil
	}
	if has := booleanField(key); has != nil {
		want, err := true, error(nil)
		if op != "" {
			want, err = strconv.ParseBool(value)
		}
		if err != nil || op == "~=" {
			return nil, errors.New("must be true or false")
		}
		return func(e *store.CacheEntry) bool { return has(e) == (want != (op == "!=")) }, nil
	}
	texts := textField(key)
	if texts == nil || op == "" {
		return nil, errors.New("must be KEY=VALUE, KEY!=VALUE or KEY~=REGEXP; the keys are until, id, parents, " +
			"description, inuse, mutable, immutable, shared, private and type")
	}
	switch op {
	case "~=":
		pattern, err := regexp.Compile(value)
		if err != nil {
			return nil, err
		}
		return func(e *store.CacheEntry) bool { return slices.ContainsFunc(texts(e), pattern.MatchString) }, nil
	case "!=":
		return func(e *store.CacheEntry) bool { return !slices.Contains(texts(e), value) }, nil
	}
	if key == "parents" { // any of several may match
		list := strings.Split(value, ";")
		return func(e *store.CacheEntry) bool {
			return slices.ContainsFunc(e.Parents, func(p string) bool { return slices.Contains(list, p) })
		}, nil
	}
	return func(e *store.CacheEntry) bool { return slices.Contains(texts(e), value) }, nil
}

// booleanField returns the value of a boolean key, or nil for other keys.
func booleanField(key string) Filter {
	switch key {
	case "inuse":
		return func(e *store.CacheEntry) bool { return e.InUse }
	case "mutable":
		return func(e *store.CacheEntry) bool { return e.Mutable }
	case "immutable":
		return func(e *store.CacheEntry) bool { return !e.Mutable }
	case "shared":
		return func(e *store.CacheEntry) bool { return e.Shared }
	case "private":
		return func(e *store.CacheEntry) bool { return !e.Shared }
	}
	return nil
}

// textField returns the function that reads the values of a text key, or nil for other keys.
func textField(key string) func(e *store.CacheEntry) []string {
	switch key {
	case "id":
		return func(e *store.CacheEntry) []string { return []string{e.ID} }
	case "parents":
		return func(e *store.CacheEntry) []string { return e.Parents }
	case "description":
		return func(e *store.CacheEntry) []string { return []string{e.Description} }
	case "type":
		return func(e *store.CacheEntry) []string { return []string{e.Type} }
	}
	return nil
}
