package container

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/minirun/minirun/internal/rootfs"
	"github.com/minirun/minirun/internal/spec"
)

// LayersIn returns the directories of a bundle's root file system, lowest first: only
// root.path if it has no layers.
func LayersIn(bundle string) ([]string, error) {
	lower, _, err := stack(factsQuery{Bundle: bundle, Directory: "stack"})
	return lower, err
}

// LayersOf returns a container's layers, lowest first, and the directory that receives
// its writes: they come from the record, since they may have been given on the command
// line. Without layers upper is "".
func LayersOf(root, id string) (lower []string, upper string, err error) {
	r, err := readRecord(root, id)
	if err != nil {
		if _, there := os.Stat(filepath.Join(root, id)); errors.Is(there, os.ErrNotExist) {
			err = missing{err}
		}
		return nil, "", err
	}
	if r.Layers != nil {
		return r.Layers, r.Upper, nil
	}
	return stack(factsQuery{Directory: filepath.Join(root, id), Bundle: r.Bundle})
}

// missing is an error about a container that has no directory. It is also
// os.ErrNotExist, but without its text.
type missing struct{ error }

func (m missing) Is(target error) bool { return target == os.ErrNotExist }

func (m missing) Unwrap() error { return m.error }

func stack(q factsQuery) (lower []string, upper string, err error) {
	if q.Bundle, err = bundlePath(q.Bundle); err != nil {
		return nil, "", err
	}
	s, _, err := spec.Load(q.Bundle)
	if err != nil {
		return nil, "", err
	}
	var in rootfs.Input
	if in.Root, err = rootPath(s, q.Bundle); err != nil {
		return nil, "", err
	}
	q.Spec = s
	if err := q.layers(&in); err != nil {
		return nil, "", err
	}
	for _, l := range in.Layers {
		lower = append(lower, l.Path)
	}
	if lower == nil {
		return []string{in.Root}, "", nil
	}
	if _, err := os.Stat(in.Upper); err == nil {
		upper = in.Upper
	}
	return lower, upper, nil
}
