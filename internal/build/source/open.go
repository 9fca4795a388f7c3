package source

import (
	"fmt"
	"io"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/regularfile"
)

// openBelow opens a regular file of a tree for reading. Symbolic links are resolved inside the
// tree.
func openBelow(root *os.File, name string) (*os.File, error) {
	return regularfile.OpenIn(int(root.Fd()), name, unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_MAGICLINKS)
}

// readAll reads a text up to a maximum size.
func readAll(r io.Reader, name string, limit int64) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if int64(len(text)) > limit {
		return nil, fmt.Errorf("read %s: %s exceeds maximum allowed size of %d MiB", name, path.Base(name), limit>>20)
	}
	return text, nil
}
