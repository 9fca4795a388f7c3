package layer

import (
	"archive/tar"
	"context"
	"os"
	"time"
)

// ExtractOptions configure how an archive that is not a layer is unpacked.
type ExtractOptions struct {
	First *tar.Header // the first entry, if the caller has already read it; otherwise nil

	// Plain is for a build context. Only files, directories and links are allowed; they belong to
	// the user and have no extended attributes. Entries of other types are refused.
	Plain bool

	// InUse is for a directory that other processes use, such as a container. Mounts below belong to
	// it, and a file never replaces a directory, nor the other way round.
	InUse bool

	Owner     *Owner            // of all files that the archive lists; nil: as in the archive
	DirTime   *time.Time        // of directories that the archive does not list; nil: now
	KeepXattr func(string) bool // which extended attributes are applied; nil: none

	MaxEntries, MaxBytes int64 // bounds; 0 means the default
}

// Extract unpacks an archive that is not a layer below a directory, which may already contain
// files. Names that begin with ".wh." are ordinary files. The directory itself does not change,
// even if the archive has an entry for it.
func Extract(ctx context.Context, root *os.File, archive *tar.Reader, o ExtractOptions) error {
	r := rules{plain: o.Plain, inUse: o.InUse, owner: o.Owner, time: o.DirTime, keepXattr: o.KeepXattr}
	a := newApplier(int(root.Fd()), Options{MaxEntries: o.MaxEntries, MaxBytes: o.MaxBytes}, r)
	defer a.parents.close()
	if err := a.applyArchive(ctx, archive, o.First); err != nil {
		return err
	}
	return a.finish(ctx)
}
