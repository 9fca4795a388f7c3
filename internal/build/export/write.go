package export

import (
	"context"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/containerd/continuity/fs"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/ingest"
	"github.com/minirun/minirun/internal/image/layer"
	"github.com/minirun/minirun/internal/image/merge"
	"github.com/minirun/minirun/internal/image/transfer"
	"github.com/minirun/minirun/internal/namespaces"
)

// Archive writes images as an OCI image layout, which Docker reads, too.
func Archive(s *ingest.Store, o Output, images []transfer.Saved, p transfer.Progress) (err error) {
	if !o.Tar {
		return transfer.Save(s, images, o.Dest, nil, p)
	}
	out, done, err := create(o.Dest)
	if err != nil {
		return err
	}
	return done(transfer.Save(s, images, "", out, p))
}

// create opens what an output goes to. done closes it; a file of an output that
// failed is removed.
func create(dest string) (out io.Writer, done func(error) error, err error) {
	if dest == "-" {
		if info, err := os.Stdout.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 && info.Mode()&os.ModeNamedPipe == 0 {
			return nil, nil, errors.New("standard output is a terminal: give dest=FILE")
		}
		return os.Stdout, func(err error) error { return err }, nil
	}
	f, err := os.Create(dest)
	if err != nil {
		return nil, nil, err
	}
	return f, func(err error) error {
		if err = errors.Join(err, f.Close()); err != nil {
			err = errors.Join(err, os.Remove(dest))
		}
		return err
	}, nil
}

// Flat is the file system of layers, as one.
func Flat(layers []Layer) (*os.File, error) {
	var dirs []string
	for _, l := range layers {
		dirs = append(dirs, l.Dir)
	}
	return merge.Open(dirs, namespaces.Unprivileged())
}

// Tar writes the file system as one archive.
func Tar(_ context.Context, o Output, r Result) error {
	out, done, err := create(o.Dest)
	if err != nil {
		return err
	}
	if len(r.Layers) == 0 {
		return done(nil)
	}
	tree, err := Flat(r.Layers)
	if err != nil {
		return done(err)
	}
	options := layer.PackOptions{}
	if o.Rewrite {
		options.Latest = r.Epoch
	}
	err = layer.Pack(out, fmt.Sprintf("/proc/self/fd/%d/.", tree.Fd()), options)
	return done(errors.Join(err, tree.Close()))
}

// Local copies the file system into a directory of the user's, beside what is
// there.
func Local(_ context.Context, dest string, r Result) error {
	if err := os.MkdirAll(dest, 0o755); err != nil {
		return err
	}
	if len(r.Layers) == 0 {
		return nil
	}
	tree, err := Flat(r.Layers)
	if err != nil {
		return err
	}
	defer func() { _ = tree.Close() }()
	from := fmt.Sprintf("/proc/self/fd/%d/.", tree.Fd())
	if err := fs.CopyDir(dest, from); err != nil {
		return fmt.Errorf("copy the result to %s: %w", dest, err)
	}
	return filepath.WalkDir(from, func(path string, d iofs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		at := filepath.Join(dest, strings.TrimPrefix(path, filepath.Clean(from)))
		return unix.UtimesNanoAt(unix.AT_FDCWD, at, []unix.Timespec{st.Atim, st.Mtim}, unix.AT_SYMLINK_NOFOLLOW)
	})
}

// Names reads the names that an image is to have.
func Names(list []string) ([]image.Name, error) {
	var out []image.Name
	for _, text := range list {
		n, err := image.ParseName(text)
		if err != nil {
			return nil, err
		}
		if n.Digest != "" {
			return nil, fmt.Errorf("%s: a digest is what an image comes to, not its name", text)
		}
		out = append(out, n)
	}
	return out, nil
}
