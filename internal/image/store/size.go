package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/minirun/minirun/internal/dirsize"
)

// The size of a layer is the total size of its regular files as they are unpacked; a file with several
// names counts once. It is the same in images, history, layers and inspect. The size of an image is
// that of its layers, including those that it shares with other images.

// LayerSizes returns the sizes of an image's layers, lowest first. It returns false if they are not
// unpacked, since only the sizes of the blobs are known then.
func (s *Store) LayerSizes(i *Image) ([]int64, bool) {
	if _, err := os.Lstat(s.Unpacked(i.ID())); err != nil {
		return nil, false
	}
	var out []int64
	for _, key := range s.LayerKeys(i) {
		size, err := s.layerSize(s.Layer(key.String()))
		if err != nil {
			return nil, false
		}
		out = append(out, size)
	}
	return out, len(out) == len(i.Manifest.Layers)
}

// sizeFile has the size of a layer that was added up once.
const sizeFile = "size"

// layerSize returns the size of the layer in a directory of the store.
func (s *Store) layerSize(dir string) (int64, error) {
	text, err := os.ReadFile(filepath.Join(dir, sizeFile))
	if err == nil {
		if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil {
			return n, nil
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	if _, err := readLayer(dir); err != nil {
		return 0, err
	}
	n := dirsize.Sum(filepath.Join(dir, "fs"))
	_ = s.Replace(filepath.Join(dir, sizeFile), []byte(strconv.FormatInt(n, 10)+"\n")) // only saves time
	return n, nil
}

// BlobSize returns the total size of an image's blobs, which is what a registry stores.
func (i *Image) BlobSize() int64 {
	sum := i.Desc.Size + i.Manifest.Config.Size
	for _, l := range i.Manifest.Layers {
		sum += l.Size
	}
	return sum
}
