// Package layer applies the entries of tar archives to directories, and packs directories into
// archives. All archives that minirun unpacks go through it and follow the same rules: image
// layers, imported root file systems, the archives that ADD unpacks, and build contexts.
//
// A layer becomes a directory that overlayfs can use as a lower directory (image-spec, layer.md;
// Documentation/filesystems/overlayfs.rst).
//
//	entry.go      an entry's header → what to create, or why it is refused (pure)
//	apply.go      layers, and the loop over an archive
//	extract.go    archives that are not layers
//	parents.go    finds or creates parent directories, from a descriptor of the root
//	symlinks.go   paths that lead through symbolic links
//	create.go     files, directories, devices, their owners and times
//	links.go      hard links, and the files of lower layers that they need
//	whiteouts.go  whiteouts, opaque directories, the root of a layer
//	pack.go       a directory → an archive
//	packfile.go   files that are not a layer → an archive
//	compare.go    what a layer changes in the layers below it
//	decompress.go the uncompressed archive of a blob, and its digest
//
// An archive comes from another machine, so nothing in it is a host path. Every path is resolved
// from the target directory: a leading slash is stripped, and a symbolic link in the middle of a
// path is resolved below the root, even if it is absolute or has more ".." components than there
// are directories above it. Every component is opened from a descriptor of its parent directory
// with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS. Files are created by their last component, with
// system calls that do not follow a link. A name whose ".." leads above the root is refused.
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

// Options configure how a layer is unpacked.
type Options struct {
	// Parents are the directories of the lower layers, lowest first. They provide the owners and
	// modes of parent directories that the archive does not list, the symbolic links that paths in
	// the archive lead through, and the targets of hard links.
	Parents []string

	// UserXattrs is for a user namespace. Overlay's marks are then user.overlay.*, which a mount in
	// the namespace looks for. Devices cannot be created there, so they are skipped and counted.
	// Containers have their own /dev.
	UserXattrs bool

	// Bounds; 0 means the default.
	MaxEntries int64
	MaxBytes   int64 // of all files, including holes
}

// The default bounds: more than any legitimate image needs, but fewer than would exhaust a file
// system's inodes.
const (
	MaxEntries = 4 << 20
	MaxBytes   = 1 << 40
)

// A Result describes what an archive contained.
type Result struct {
	Entries int64
	LeftOut int64 // devices, which root in a user namespace cannot create
	Bytes   int64 // of regular files, including holes
}

// ErrRefused is wrapped by every error that refuses an entry because of what it asks for.
var ErrRefused = errors.New("refused")

// An applier unpacks one archive.
type applier struct {
	o       Options
	rules   rules
	root    int // the target directory
	parents parents
	made    map[string]madeDir // directories created from this archive; their times are set after the last entry
	opaque  map[string]bool    // directories whose content in the lower layers is hidden
	copied  map[string]bool    // files copied from the lower layers because hard links refer to them
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
	a := &applier{o: o, rules: r, root: root, made: map[string]madeDir{}, opaque: map[string]bool{},
		copied: map[string]bool{}, buffer: make([]byte, 256<<10)}
	a.parents.root = root
	return a
}

// Apply unpacks the uncompressed archive of a layer into an empty directory. The error names the
// entry. After an error the content of the directory is undefined.
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
	if err := a.applyArchive(ctx, tar.NewReader(archive), nil); err != nil {
		return a.result, err
	}
	return a.result, a.finish(ctx)
}

// applyArchive applies the entries of an archive. First is the entry that was already read, or nil.
func (a *applier) applyArchive(ctx context.Context, archive *tar.Reader, first *tar.Header) error {
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
		if err := a.applyHeader(h, archive); err != nil {
			return fmt.Errorf("entry %q: %w", h.Name, err)
		}
	}
}

func (a *applier) applyHeader(h *tar.Header, content io.Reader) error {
	e, err := parseEntry(h, &a.rules)
	if err != nil {
		return err
	}
	if e.kind == regular {
		if e.size > a.o.MaxBytes-a.result.Bytes {
			return fmt.Errorf("%w: its %d bytes exceed the limit of %d bytes for all files", ErrRefused, e.size,
				a.o.MaxBytes)
		}
		a.result.Bytes += e.size
	}
	return a.apply(e, content)
}

// apply creates what an entry describes.
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
	return setMetadata(dir, e)
}
