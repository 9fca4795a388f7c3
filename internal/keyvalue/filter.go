package keyvalue

import (
	"fmt"
	"slices"
)

// ParseFilters parses the values of --filter, each with parse. The result reports whether an item
// matches all of them.
func ParseFilters[T any, F ~func(T) bool](texts []string, parse func(text string) (F, error)) (F, error) {
	var all []F
	for _, text := range texts {
		matches, err := parse(text)
		if err != nil {
			return nil, fmt.Errorf("--filter %s: %w", text, err)
		}
		all = append(all, matches)
	}
	return func(item T) bool {
		return !slices.ContainsFunc(all, func(matches F) bool { return !matches(item) })
	}, nil
}
