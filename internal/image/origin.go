package image

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// An Origin records which image a container was created from. Prune keeps that image's layers, even
// if its name now refers to another image.
type Origin struct {
	Name     string `json:"name"`
	ID       string `json:"id"`       // the configuration's digest
	Manifest string `json:"manifest"` // the manifest's digest
}

// Container returns the directory of a container created from an image in this store.
func (s *Store) Container(id string) string { return filepath.Join(s.Dir, "containers", id) }

// ReadOrigin reads the origin of a container.
func (s *Store) ReadOrigin(id string) (*Origin, error) {
	var o Origin
	err := readDocument(filepath.Join(s.Container(id), "container.json"), &o)
	return &o, err
}

// Containers returns the IDs of the containers created from images, running or not.
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
