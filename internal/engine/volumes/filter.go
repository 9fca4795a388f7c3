package volumes

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ParseFilter parses the values of --filter, KEY=VALUE. A volume must match one value of each key, but
// all labels. users is called for dangling: volumes that no container uses.
func ParseFilter(texts []string, users func() (map[string][]string, error)) (matches func(*Info) bool, err error) {
	byKey := map[string][]func(*Info) bool{}
	for n, text := range texts {
		key, value, ok := strings.Cut(text, "=")
		negated := strings.HasSuffix(key, "!")
		test, err := parseTest(strings.TrimSuffix(key, "!"), value, users)
		switch {
		case !ok:
			err = errors.New("must be KEY=VALUE")
		case negated && key != "label!":
			err = fmt.Errorf("unknown key %q", key)
		}
		if err != nil {
			return nil, fmt.Errorf("--filter %s: %w", text, err)
		}
		if negated {
			positive := test
			test = func(i *Info) bool { return !positive(i) }
		}
		if strings.HasPrefix(key, "label") { // each one must match
			key = strconv.Itoa(n)
		}
		byKey[key] = append(byKey[key], test)
	}
	return func(i *Info) bool {
		for _, tests := range byKey {
			found := false
			for _, t := range tests {
				found = found || t(i)
			}
			if !found {
				return false
			}
		}
		return true
	}, nil
}

func parseTest(key, value string, users func() (map[string][]string, error)) (func(*Info) bool, error) {
	switch key {
	case "name":
		return func(i *Info) bool { return strings.Contains(i.Name, value) }, nil
	case "driver":
		return func(i *Info) bool { return i.Driver == value }, nil
	case "label":
		name, want, has := strings.Cut(value, "=")
		return func(i *Info) bool {
			got, ok := i.Labels[name]
			return ok && (!has || got == want)
		}, nil
	case "dangling":
		want, err := strconv.ParseBool(value)
		if err != nil {
			return nil, errors.New("must be true or false")
		}
		used, err := users()
		return func(i *Info) bool { return (len(used[i.Name]) == 0) == want }, err
	}
	return nil, fmt.Errorf("unknown key %q\nhint: use name, label, dangling or driver", key)
}
