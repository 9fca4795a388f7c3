package engine

import (
	"errors"
	"fmt"
	"strings"
)

// This file gives containers an ID in addition to their name. The ID is derived from what the record
// always had, so that containers of older versions have one, and it does not change with the name.

// shortID is the number of digits of an ID in tables.
const shortID = 12

// ContainerID returns the container's ID: 64 hexadecimal digits. The first 16 are the time of creation
// in nanoseconds, with its bits mixed (splitmix64), so that IDs differ in their first digits and two
// times never have the same; the others are from the image's ID.
func (r *Record) ContainerID() string {
	x := uint64(r.Created.UnixNano())
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	x ^= x >> 31
	return fmt.Sprintf("%016x%.48s", x, strings.TrimPrefix(r.ID, "sha256:")+strings.Repeat("0", 48))
}

// ShortID returns the part of the ID that tables show.
func (r *Record) ShortID() string { return r.ContainerID()[:shortID] }

// An AmbiguousError reports the beginning of an ID that several containers have.
type AmbiguousError struct {
	Text  string
	Names []string
}

func (e *AmbiguousError) Error() string {
	return fmt.Sprintf("container ID %s is ambiguous: it is the beginning of the IDs of %s\n"+
		"hint: give more digits, or the name", e.Text, strings.Join(e.Names, ", "))
}

// Resolve returns the name of the container that text refers to: a name, or the beginning of an ID
// that no other container has. Any other text is returned unchanged.
func (e *Engine) Resolve(text string) (string, error) {
	if text == "" || strings.Trim(text, "0123456789abcdef") != "" {
		return text, nil
	}
	if _, err := e.Record(text); err == nil {
		return text, nil
	}
	names, err := e.Store.Containers()
	if err != nil {
		return text, err
	}
	var found []string
	for _, name := range names {
		r, err := e.Record(name)
		if errors.Is(err, ErrNoContainer) {
			continue // still being created, or removed meanwhile
		}
		if err != nil {
			return text, err
		}
		if strings.HasPrefix(r.ContainerID(), text) {
			found = append(found, name)
		}
	}
	switch len(found) {
	case 0:
		return text, nil
	case 1:
		return found[0], nil
	}
	return "", &AmbiguousError{text, found}
}
