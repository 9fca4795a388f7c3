package control

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/minirun/minirun/internal/container/hostfacts"
	"github.com/minirun/minirun/internal/container/record"
)

// BundleLayers returns the directories of a bundle's root file system, lowest first: only
// root.path if it has no layers.
func BundleLayers(bundle string) ([]string, error) {
	lower, _, err := hostfacts.FindLayers(hostfacts.Query{Bundle: bundle, Directory: "stack"})
	return lower, err
}

// ContainerLayers returns a container's layers, lowest first, and the directory that receives
// its writes: they come from the record, since they may have been given on the command
// line. Without layers upper is "".
func ContainerLayers(root, id string) (lower []string, upper string, err error) {
	r, err := record.Read(root, id)
	if err != nil {
		if _, there := os.Stat(filepath.Join(root, id)); errors.Is(there, os.ErrNotExist) {
			err = missingError{err}
		}
		return nil, "", err
	}
	if r.Layers != nil {
		return r.Layers, r.Upper, nil
	}
	return hostfacts.FindLayers(hostfacts.Query{Directory: filepath.Join(root, id), Bundle: r.Bundle})
}

// missingError is an error about a container that has no directory. It is also
// os.ErrNotExist, but without its text.
type missingError struct{ error }

func (m missingError) Is(target error) bool { return target == os.ErrNotExist }

func (m missingError) Unwrap() error { return m.error }
