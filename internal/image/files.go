package image

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
)

// A NamedImage is an entry of the list of names, with the paths of its files in the store. Images may
// have files in common.
type NamedImage struct {
	Name     string // "" if it has lost its name
	Manifest string // digest of the manifest or index
	ID       string // of the image for this machine, "" if it has none
	Files    []string
}

// NamedImages lists the images with all files that the store has of them: blobs, and directories of
// unpacked layers.
func (s *Store) NamedImages() ([]NamedImage, error) {
	list, err := s.index()
	if err != nil {
		return nil, err
	}
	var out []NamedImage
	for _, d := range list.Manifests {
		n := NamedImage{Name: d.name(), Manifest: d.Digest}
		if _, m, err := s.manifest(d); err == nil {
			n.ID = m.Config.Digest
			layers, err := s.Layers(n.ID)
			if err != nil && !errors.Is(err, ErrNotUnpacked) {
				return nil, err
			}
			for _, dir := range layers {
				n.Files = append(n.Files, filepath.Dir(dir))
			}
		}
		if err := s.addBlobs(&n, d, 0); err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, nil
}

// addBlobs adds the blobs that a manifest or an index refers to. Those of platforms that were not
// pulled are missing.
func (s *Store) addBlobs(n *NamedImage, d Descriptor, depth int) error {
	if path := s.Blob(d.Digest); !slices.Contains(n.Files, path) {
		n.Files = append(n.Files, path)
	}
	if depth > MaxDepth {
		return nil
	}
	if IsIndex(d.MediaType) {
		var index manifests
		if err := s.document(d.Digest, &index); err != nil {
			return ignoreMissing(err)
		}
		for _, m := range index.Manifests {
			if err := s.addBlobs(n, m, depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	var m struct {
		Config Descriptor   `json:"config"`
		Layers []Descriptor `json:"layers"`
	}
	if err := s.document(d.Digest, &m); err != nil {
		return ignoreMissing(err)
	}
	for _, blob := range append(m.Layers, m.Config) {
		if path := s.Blob(blob.Digest); !slices.Contains(n.Files, path) {
			n.Files = append(n.Files, path)
		}
	}
	return nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
