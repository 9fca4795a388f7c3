// Package keyvalue parses lists such as type=local,dest=DIR, which docker's flags take: CSV, so that
// a value with a comma can be quoted.
package keyvalue

import (
	"encoding/csv"
	"strings"
)

// Each calls set with each field of a list, in order. has is false for a field without =, which is
// then the key.
func Each(text string, set func(key, value string, has bool) error) error {
	fields, err := Fields(text)
	if err != nil {
		return err
	}
	for _, f := range fields {
		key, value, has := strings.Cut(f, "=")
		if err := set(key, value, has); err != nil {
			return err
		}
	}
	return nil
}

// Fields splits a list at its commas.
func Fields(text string) ([]string, error) { return csv.NewReader(strings.NewReader(text)).Read() }
