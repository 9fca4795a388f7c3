package layer

import (
	"archive/tar"
	"context"
	"os"
	"time"
)

// ExtractOptions say how an archive that is not a layer is unpacked.
type ExtractOptions struct {
	First *tar.Header // the first entry, if the caller has read it; nil: it has not

	// Plain is for a build context. It has only files, directories and links, which belong
	// to the user, without extended attributes. Entries of other types are refused.
	Plain bool

	Owner     *Owner            // of all files that the archive lists; nil: as in the archive
	DirTime   *time.Time        // of directories that the archive does not list; nil: now
	KeepXattr func(string) bool // which extended attributes are set; nil: none

	MaxEntries, MaxBytes int64 // bounds; 0 stands for the default
}

// Extract unpacks an archive that is not a layer below a directory, which may have files
// already. Names that begin with ".wh." are files. The directory itself stays as it is,
// whatever the archive has for it.
func Extract(ctx context.Context, root *os.File, archive *tar.Reader, o ExtractOptions) error {
	r := rules{plain: o.Plain, owner: o.Owner, time: o.DirTime, keepXattr: o.KeepXattr}
	a := newApplier(int(root.Fd()), Options{MaxEntries: o.MaxEntries, MaxBytes: o.MaxBytes}, r)
	defer a.parents.close()
	if err := a.all(ctx, archive, o.First); err != nil {
		return err
	}
	return a.finish(ctx)
}
