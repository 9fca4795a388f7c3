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
var errNoArchive = errors.New("is no archive")

// unpack unpacks a source if it is an archive, and reports whether it did.
func (p *placer) unpack(ctx context.Context, t *contenthash.Tree, f *contenthash.Found) (bool, error) {
	file, err := t.Open(f)
	if err != nil {
		return false, err
	}
	defer func() { _ = file.Close() }()
	err = p.archive(ctx, file)
	if errors.Is(err, errNoArchive) {
		return false, nil
	}
	return true, err
}

// Archive unpacks an archive, compressed or not, into the destination directory.
func Archive(ctx context.Context, root *os.File, file *os.File, o Options) error {
	p, err := newPlacer(root, o)
	if err != nil {
		return err
	}
	defer p.leave()
	if err := p.archive(ctx, file); err != nil {
		return err
	}
	return p.finish()
}

func (p *placer) archive(ctx context.Context, r io.Reader) error {
	content, _, release, err := compression.Open(bufio.NewReaderSize(r, 256<<10))
	if err != nil {
		return errNoArchive // it only starts like an archive
	}
	defer release()
	in := tar.NewReader(ctxio.NewReader(ctx, content)) // a small file may expand to an endless run of zeros
	first, err := in.Next()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return errNoArchive
	}
	defer func(flag string) { p.o.Chmod = flag }(p.o.Chmod)
	p.o.Chmod = "" // it applies to files, and an archive has its own modes
	fd, err := p.ensure(p.o.Dest)
	if err != nil {
		return err
	}
	dir := os.NewFile(uintptr(fd), p.o.Dest)
	o := layer.ExtractOptions{First: first, DirTime: p.o.Time, KeepXattr: isContentXattr}
	if p.o.UID != nil {
		o.Owner = &layer.Owner{UID: *p.o.UID, GID: *p.o.GID}
	}
	p.replaced = true // the archive may replace a component of the cached directory's path
	if err := errors.Join(layer.Extract(ctx, dir, in, o), dir.Close()); err != nil {
		return fmt.Errorf("unpack the archive: %w", err)
	}
	return nil
}

// isContentXattr reports whether an extended attribute in an archive is part of a file's
// content, regardless of who unpacks it.
func isContentXattr(name string) bool {
	return name == "security.capability" || strings.HasPrefix(name, "user.")
}
