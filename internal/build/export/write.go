package export

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/minirun/minirun/internal/atomicfile"
	"github.com/minirun/minirun/internal/ctxio"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/layer"
	"github.com/minirun/minirun/internal/image/overlay"
	"github.com/minirun/minirun/internal/image/store"
	"github.com/minirun/minirun/internal/image/transfer"
	"github.com/minirun/minirun/internal/namespaces"
)

// WriteArchive writes images as an OCI image layout, which Docker can also read.
func WriteArchive(ctx context.Context, s *store.Store, o Output, images []transfer.NamedImage,
	p transfer.Progress) (err error) {
	if !o.Tar {
		return writeLayout(ctx, s, o.Dest, images, p)
	}
	out, done, err := createOutput(o.Dest)
	if err != nil {
		return err
	}
	return done(transfer.Save(ctx, s, images, "", out, p))
}

// createOutput opens the destination of an output. done(nil) replaces the file atomically. Until
// then, and after an error, the old file is unchanged.
func createOutput(dest string) (out io.Writer, done func(error) error, err error) {
	if dest == "-" {
		return os.Stdout, func(err error) error { return err }, nil
	}
	if info, err := os.Stat(dest); err == nil && info.IsDir() {
		return nil, nil, fmt.Errorf("%s is a directory\nhint: use dest=FILE", dest)
	}
	f, err := atomicfile.Create(dest, 0o666)
	if err != nil {
		return nil, nil, err
	}
	return f, f.Done, nil
}

// WriteFile atomically writes a small file, such as an image's ID or a build's metadata.
func WriteFile(dest string, text []byte) error {
	out, done, err := createOutput(dest)
	if err != nil {
		return err
	}
	_, err = out.Write(text)
	return done(err)
}

// OpenMerged returns the merged file system of layers.
func OpenMerged(layers []Layer) (*os.File, error) {
	var dirs []string
	for _, l := range layers {
		dirs = append(dirs, l.Dir)
	}
	return overlay.Open(dirs, namespaces.Unprivileged())
}

// A Part is the file system of one platform's result, in an output that consists of files.
type Part struct {
	At     string // its directory there; "" for none
	Layers []Layer
	More   []layer.Member // attestations
}

// WriteTar writes the file systems as one archive. If epoch is set, all files get that time.
func WriteTar(ctx context.Context, o Output, parts []Part, epoch *time.Time) error {
	out, done, err := createOutput(o.Dest)
	if err != nil {
		return err
	}
	return done(writeTar(ctxio.NewWriter(ctx, out), parts, layer.PackOptions{Time: epoch}))
}

// writeTar writes the archive of several file systems.
func writeTar(w io.Writer, parts []Part, o layer.PackOptions) (err error) {
	var trees []layer.Tree
	for _, p := range parts {
		t := layer.Tree{At: p.At, More: p.More}
		if len(p.Layers) > 0 {
			flat, err := OpenMerged(p.Layers)
			if err != nil {
				return err
			}
			defer func() { _ = flat.Close() }()
			t.Dir = fmt.Sprintf("/proc/self/fd/%d/.", flat.Fd())
		}
		trees = append(trees, t)
	}
	return layer.PackAll(w, trees, o)
}

// ParseNames parses the names for an image.
func ParseNames(list []string) ([]image.Name, error) {
	var out []image.Name
	for _, text := range list {
		n, err := image.ParseName(text)
		if err != nil {
			return nil, err
		}
		if n.Digest != "" {
			return nil, fmt.Errorf("%s: an image's name must be NAME[:TAG], not a digest", text)
		}
		out = append(out, n)
	}
	return out, nil
}
