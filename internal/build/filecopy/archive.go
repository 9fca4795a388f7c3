package filecopy

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/minirun/minirun/internal/build/contenthash"
	"github.com/minirun/minirun/internal/compression"
	"github.com/minirun/minirun/internal/ctxio"
	"github.com/minirun/minirun/internal/image/layer"
)

// errNoArchive means that the file is not an archive and is copied unchanged.
var errNoArchive = errors.New("not an archive")

// IsArchive reports whether ADD unpacks a file, compressed or not, instead of copying it.
func IsArchive(t *contenthash.Tree, f *contenthash.File) (bool, error) {
	file, err := t.Open(f)
	if err != nil {
		return false, err
	}
	defer func() { _ = file.Close() }()
	a, err := openArchive(context.Background(), bufio.NewReader(file))
	if err != nil {
		return false, nil
	}
	a.close()
	return true, nil
}

// An archive is an open tar archive after its first header.
type archive struct {
	entries *tar.Reader
	first   *tar.Header
	close   func()
}

// openArchive opens an archive, compressed or not. If it has no entries, the error is errNoArchive.
// Reading ends with the context: a small file may expand to an endless run of zeros.
func openArchive(ctx context.Context, r *bufio.Reader) (*archive, error) {
	content, _, release, err := compression.Open(r)
	if err != nil {
		return nil, errNoArchive // it only starts like an archive
	}
	a := &archive{entries: tar.NewReader(ctxio.NewReader(ctx, content)), close: release}
	if a.first, err = a.entries.Next(); err == nil {
		return a, nil
	}
	release()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return nil, errNoArchive
}

// unpackSource unpacks a source if it is an archive, and reports whether it did.
func (c *copier) unpackSource(ctx context.Context, t *contenthash.Tree, f *contenthash.File) (bool, error) {
	file, err := t.Open(f)
	if err != nil {
		return false, err
	}
	defer func() { _ = file.Close() }()
	err = c.extractArchive(ctx, file)
	if errors.Is(err, errNoArchive) {
		return false, nil
	}
	return true, err
}

// Archive unpacks an archive, compressed or not, into the destination directory.
func Archive(ctx context.Context, root *os.File, file *os.File, o Options) error {
	c, err := newCopier(root, o)
	if err != nil {
		return err
	}
	defer c.closeDirectory()
	if err := c.extractArchive(ctx, file); err != nil {
		return err
	}
	return c.setTimes()
}

func (c *copier) extractArchive(ctx context.Context, r io.Reader) error {
	a, err := openArchive(ctx, bufio.NewReaderSize(r, 256<<10))
	if err != nil {
		return err
	}
	defer a.close()
	defer func(flag string) { c.o.Chmod = flag }(c.o.Chmod)
	c.o.Chmod = "" // it applies to files, and an archive has its own modes
	fd, err := c.ensureDirectory(c.o.Dest)
	if err != nil {
		return err
	}
	dir := os.NewFile(uintptr(fd), c.o.Dest)
	o := layer.ExtractOptions{First: a.first, DirTime: c.o.Time, KeepXattr: isContentXattr}
	if c.o.UID != nil {
		o.Owner = &layer.Owner{UID: *c.o.UID, GID: *c.o.GID}
	}
	c.replaced = true // the archive may replace a component of the cached directory's path
	if err := errors.Join(layer.Extract(ctx, dir, a.entries, o), dir.Close()); err != nil {
		return fmt.Errorf("cannot unpack the archive: %w", err)
	}
	return nil
}

// isContentXattr reports whether an extended attribute in an archive is part of a file's
// content, regardless of who unpacks it.
func isContentXattr(name string) bool {
	return name == "security.capability" || strings.HasPrefix(name, "user.")
}
