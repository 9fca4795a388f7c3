package filecopy

import (
	"archive/tar"
	"bufio"

	"github.com/minirun/minirun/internal/build/contenthash"
	"github.com/minirun/minirun/internal/compression"
)

// IsArchive reports whether ADD unpacks a file, compressed or not, instead of copying it.
func IsArchive(t *contenthash.Tree, f *contenthash.Found) (bool, error) {
	file, err := t.Open(f)
	if err != nil {
		return false, err
	}
	defer func() { _ = file.Close() }()
	content, _, done, err := compression.Open(bufio.NewReader(file))
	if err != nil {
		return false, nil
	}
	defer done()
	_, err = tar.NewReader(content).Next()
	return err == nil, nil
}
