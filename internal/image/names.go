package image

import (
	"errors"
	"strings"
)

// Names returns the names of the images in the store, in the short form and without the tag latest.
// They are only suggestions: a store that cannot be read has none.
func (s *Store) Names() (names []string) {
	list, err := s.index()
	if err != nil {
		return nil
	}
	for _, d := range list.Manifests {
		if name := d.name(); name != "" {
			names = append(names, strings.TrimSuffix(Familiar(name), ":"+defaultTag))
		}
	}
	return names
}

// Has reports whether the store has an image, by its name, its digest, or the beginning of its ID.
func (s *Store) Has(text string) (bool, error) {
	if _, err := ParseName(text); err != nil { // IDs are names, too
		return false, nil
	}
	_, _, err := s.Find(text)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
