package image

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// containersDir is the directory of a store that has a directory for each container.
const containersDir = "containers"

// An Origin records which image a container was created from. Prune keeps that image's layers, even
// if its name now refers to another image.
type Origin struct {
	Name     string `json:"name"`
	ID       string `json:"id"`       // the configuration's digest
	Manifest string `json:"manifest"` // the manifest's digest
}

// Container returns the directory of a container created from an image in this store.
func (s *Store) Container(id string) string { return filepath.Join(s.Dir, containersDir, id) }

// IsContainer reports whether a path may be the directory of a container in a store. It only compares
// texts.
func IsContainer(dir, id string) bool {
	return strings.HasSuffix(dir, "/"+containersDir+"/"+id)
}

// ReadOrigin reads the origin of a container.
func (s *Store) ReadOrigin(id string) (*Origin, error) {
	var o Origin
	err := readDocument(filepath.Join(s.Container(id), "container.json"), &o)
	return &o, err
}

// Containers returns the IDs of the containers created from images, running or not.
func (s *Store) Containers() ([]string, error) {
	list, err := os.ReadDir(filepath.Join(s.Dir, containersDir))
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
