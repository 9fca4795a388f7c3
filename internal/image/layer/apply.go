// Package layer applies the entries of tar archives to directories, and packs
// directories into archives. All archives that minirun unpacks go through it, with one
// set of rules: layers of images, root file systems that are imported, the archives that
// ADD unpacks, and build contexts.
//
// A layer becomes a directory that overlayfs takes as one of its lower directories
// (image-spec, layer.md; Documentation/filesystems/overlayfs.rst).
//
//	entry.go    an entry's header → what it asks for, or why it is refused (pure)
//	apply.go    layers, and the loop over an archive
//	extract.go  archives that are not layers
//	place.go    parent directories: found and made from a descriptor of the root
//	resolve.go  paths that lead through symbolic links
//	make.go     files, directories, devices, their owners and times
//	links.go    hard links, and files of the layers below that they need
//	marks.go    whiteouts, opaque directories, the root of a layer
//	pack.go     a directory → an archive
//
// An archive comes from another machine, so nothing in it is a path of the host. The
// root of every path is the directory that is unpacked into: a leading slash is
// stripped, and a symbolic link in the middle of a path leads on below the root, even if
// it is absolute or has more ".." than directories above it. Every component is opened
// from a descriptor of the directory above it with RESOLVE_BENEATH and
// RESOLVE_NO_SYMLINKS; files are created by their last component, with calls that do not
// follow a link. A name whose ".." leads above the root is refused.
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
	// symbolic links that paths of the archive lead through, and files that it has
	// hard links to.
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

// A Result says what there was in an archive.
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
	rules   rules
	root    int // the directory that is unpacked into
	parents parents
	made    map[string]madeDir // directories that this archive made; they get their times after the last entry
	opaque  map[string]bool    // directories whose content in the layers below is hidden
	copied  map[string]bool    // files of the layers below that are here because hard links are to them
	buffer  []byte
	result  Result
}

func newApplier(root int, o Options, r rules) *applier {
	if o.MaxEntries == 0 {
		o.MaxEntries = MaxEntries
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = MaxBytes
	}
	a := &applier{o: o, rules: r, root: root, made: map[string]madeDir{}, opaque: map[string]bool{}, copied: map[string]bool{}, buffer: make([]byte, 256<<10)}
	a.parents.root = root
	return a
}

// Apply unpacks the uncompressed archive of a layer into an empty directory. The error
// names the entry. After an error the content of the directory is undefined.
func Apply(ctx context.Context, dir string, archive io.Reader, o Options) (Result, error) {
	root, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return Result{}, &os.PathError{Op: "open the layer", Path: dir, Err: err}
	}
	defer func() { _ = unix.Close(root) }()
	a := newApplier(root, o, layerRules)
	defer a.parents.close()
	if err := a.rootDirectory(); err != nil {
		return Result{}, err
	}
	if err := a.all(ctx, tar.NewReader(archive), nil); err != nil {
		return a.result, err
	}
	return a.result, a.finish(ctx)
}

// all applies the entries of an archive. First is the one that was read already, or nil.
func (a *applier) all(ctx context.Context, archive *tar.Reader, first *tar.Header) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		h := first
		if first = nil; h == nil {
			var err error
			if h, err = archive.Next(); errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return fmt.Errorf("read the archive after entry %d: %w", a.result.Entries, err)
			}
		}
		if a.result.Entries++; a.result.Entries > a.o.MaxEntries {
			return fmt.Errorf("%w: more than %d entries", ErrRefused, a.o.MaxEntries)
		}
		if err := a.one(h, archive); err != nil {
			return fmt.Errorf("entry %q: %w", h.Name, err)
		}
	}
}

func (a *applier) one(h *tar.Header, content io.Reader) error {
	e, err := entryOf(h, &a.rules)
	if err != nil {
		return err
	}
	if e.kind == regular {
		if e.size > a.o.MaxBytes-a.result.Bytes {
			return fmt.Errorf("%w: its %d bytes make more than %d in all", ErrRefused, e.size, a.o.MaxBytes)
		}
		a.result.Bytes += e.size
	}
	return a.apply(e, content)
}

// apply makes what an entry asks for.
func (a *applier) apply(e entry, content io.Reader) error {
	switch {
	case e.kind == ignored:
		return nil
	case e.path == ".":
		return a.describeRoot(e)
	case e.kind == whiteout || e.kind == opaque:
		return a.hide(e)
	}
	dir, err := a.parentOf(&e)
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
