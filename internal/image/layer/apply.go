// Package layer makes a directory of a layer: of a tar archive as images carry it,
// what overlayfs takes as one of its lower directories (image-spec, layer.md;
// Documentation/filesystems/overlayfs.rst).
//
//	entry.go   an entry's header → what it asks for, or why it is refused (pure)
//	apply.go   the loop over the archive
//	place.go   parent directories: found and made from a descriptor of the layer's own
//	make.go    files, directories, devices, their owners and times
//	links.go   hard links, and files of the layers below that they need
//	marks.go   whiteouts, opaque directories, the root
//
// An archive comes from somebody else, so nothing in it is a path of the host. An
// entry's parent directory is opened below the layer's descriptor by openat2 with
// RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS; what is made is made there by its last
// component, with calls that follow no link.
package layer

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Options say how a layer is unpacked.
type Options struct {
	// Parents are the directories of the layers below, lowest first. From them come
	// the owners and modes of parent directories that the archive does not list,
	// and files that it has hard links to.
	Parents []string

	// UserXattrs is for a user namespace: overlay's marks are user.overlay.*, which is
	// what a mount there looks for, and devices, which cannot be made there, are left
	// out and counted. Containers have a /dev of their own.
	UserXattrs bool

	// Bounds; 0 stands for the default.
	MaxEntries int64
	MaxBytes   int64 // of all files, holes counted
}

// The defaults of the bounds: more than any image that is meant seriously, less
// than what fills a file system's inode tables.
const (
	MaxEntries = 4 << 20
	MaxBytes   = 1 << 40
)

// A Result says what there was in a layer.
type Result struct {
	Entries int64
	LeftOut int64 // devices, which a user namespace's root cannot make
	Bytes   int64 // of regular files, holes counted
}

// ErrRefused is the cause of every refusal of an entry for what it asks.
var ErrRefused = errors.New("refused")

// An applier unpacks one archive.
type applier struct {
	o       Options
	root    int // the layer's directory
	parents parents
	made    map[string]madeDir // directories of this layer, whose times are set when all is in them
	alone   bool               // the layer's root is opaque
	buffer  []byte
	result  Result
}

// Apply unpacks an uncompressed archive into an empty directory. The error names
// the entry. What is in the directory after an error is rubbish.
func Apply(ctx context.Context, dir string, archive io.Reader, o Options) (Result, error) {
	if o.MaxEntries == 0 {
		o.MaxEntries = MaxEntries
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = MaxBytes
	}
	root, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return Result{}, &os.PathError{Op: "open the layer", Path: dir, Err: err}
	}
	defer func() { _ = unix.Close(root) }()
	a := &applier{o: o, root: root, made: map[string]madeDir{}, buffer: make([]byte, 256<<10)}
	a.parents.root = root
	defer a.parents.close()
	if err := a.rootDirectory(); err != nil {
		return Result{}, err
	}
	if err := a.all(ctx, tar.NewReader(archive)); err != nil {
		return a.result, err
	}
	return a.result, a.finish(ctx)
}

func (a *applier) all(ctx context.Context, archive *tar.Reader) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the archive behind entry %d: %w", a.result.Entries, err)
		}
		if a.result.Entries++; a.result.Entries > a.o.MaxEntries {
			return fmt.Errorf("%w: more than %d entries", ErrRefused, a.o.MaxEntries)
		}
		e, err := entryOf(h)
		if err == nil && e.kind == regular {
			if e.size > a.o.MaxBytes-a.result.Bytes {
				return fmt.Errorf("entry %q: %w: its %d bytes make more than %d in all", h.Name, ErrRefused, e.size, a.o.MaxBytes)
			}
			a.result.Bytes += e.size
		}
		if err == nil {
			err = a.apply(e, archive)
		}
		if err != nil {
			return fmt.Errorf("entry %q: %w", h.Name, err)
		}
	}
}

// apply makes what an entry asks for.
func (a *applier) apply(e entry, content io.Reader) error {
	if e.kind == ignored {
		return nil
	}
	if e.path == "." {
		return a.describeRoot(e)
	}
	if e.kind == whiteout || e.kind == opaque {
		return a.hide(e)
	}
	dir, err := a.parent(e.dir)
	if err != nil {
		return err
	}
	switch e.kind {
	case directory:
		return a.directory(dir, e)
	case regular:
		return a.file(dir, e, content)
	case hardlink:
		return a.hardlink(dir, e)
	case symlink:
		err = a.create(dir, e, func() error { return unix.Symlinkat(e.link, dir, e.base) })
	default:
		err = a.create(dir, e, func() error { return unix.Mknodat(dir, e.base, e.mode, int(e.device)) })
		if a.o.UserXattrs && errors.Is(err, unix.EPERM) && e.mode&unix.S_IFMT != unix.S_IFIFO {
			a.result.LeftOut++
			return nil
		}
	}
	if err != nil {
		return err
	}
	return describe(dir, e)
}
