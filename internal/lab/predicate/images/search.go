package images

import (
	"archive/tar"
	"bufio"
	"bytes"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/minirun/minirun/internal/compression"
)

// longestBlob is the most that is searched of a blob.
const longestBlob = 256 << 20

// findText looks for a text in all blobs below directories: in documents, and in the content and the
// headers of layers, compressed or not. It returns where it is: a file in a layer if it can be named.
func findText(dirs []string, text string) (where string, err error) {
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() || where != "" {
				return err
			}
			where, err = findInBlob(path, []byte(text))
			return err
		})
		if err != nil {
			return "", err
		}
	}
	return where, nil
}

// findInBlob returns where a text is in a blob, "" if it is not there.
func findInBlob(path string, text []byte) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	plain, _, release, err := compression.Open(bufio.NewReader(f))
	if err != nil {
		return "", err
	}
	defer release()
	data, err := io.ReadAll(io.LimitReader(plain, longestBlob))
	if err != nil || !bytes.Contains(data, text) {
		return "", err
	}
	return nameInLayer(data, text, filepath.Base(path)), nil
}

// nameInLayer returns the file of a layer that has a text, or the blob's name if it is not in a file.
func nameInLayer(layer, text []byte, blob string) string {
	for t := tar.NewReader(bytes.NewReader(layer)); ; {
		h, err := t.Next()
		if err != nil {
			return "sha256:" + blob
		}
		data, err := io.ReadAll(t)
		if err == nil && bytes.Contains(data, text) {
			return filepath.Join("/", h.Name)
		}
	}
}
