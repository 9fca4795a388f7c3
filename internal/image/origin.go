package image

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// An Origin says which image a container was made of: prune leaves that image's
// layers alone, whatever has become of its name.
type Origin struct {
	Name     string `json:"name"`
	ID       string `json:"id"`       // the configuration's digest
	Manifest string `json:"manifest"` // its digest
}

// Container is the directory of a container of this store's images.
func (s *Store) Container(id string) string { return filepath.Join(s.Dir, "containers", id) }

// OriginOf reads where a container comes from.
func (s *Store) OriginOf(id string) (*Origin, error) {
	var o Origin
	err := readDocument(filepath.Join(s.Container(id), "container.json"), &o)
	return &o, err
}

// Containers are the IDs of the containers made of images, running or not.
func (s *Store) Containers() ([]string, error) {
	list, err := os.ReadDir(filepath.Join(s.Dir, "containers"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var ids []string
	for _, d := range list {
		if d.IsDir() {
			ids = append(ids, d.Name())
		}
	}
	return ids, err
}
