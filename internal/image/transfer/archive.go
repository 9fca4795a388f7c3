package transfer

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"
	oci "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/compression"
	"github.com/minirun/minirun/internal/ctxio"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/layer"
	"github.com/minirun/minirun/internal/regularfile"
)

// A Found is an image that an archive or a directory has.
type Found struct {
	Names []image.Name // that it has there; none is possible
	Desc  oci.Descriptor
}

// files are the members of a directory or of an archive, by clean relative name.
type files interface {
	open(name string) (io.ReadSeekCloser, error) // fs.ErrNotExist if there is none
	Close() error
}

// maxLinks bounds links from one member of an archive to another.
const maxLinks = 8

// An Archive is a source of several images.
type Archive struct {
	files
	blobs  map[string]string        // of docker's archives: digest → member
	docs   map[string][]byte        // documents that were made up for them
	hashed map[string]digest.Digest // members that were read for their digests

	decompress map[string]bool // digests of blobs that are compressed in the archive, and not in the store
}

// OpenArchive opens an OCI image layout, a directory or a tar archive, compressed
// or not, or an archive of `docker save`. "-" is standard input. It may spool into
// a file in the directory aside, which has no name.
func OpenArchive(ctx context.Context, name, aside string) (*Archive, []Found, error) {
	a := &Archive{blobs: map[string]string{}, docs: map[string][]byte{}, hashed: map[string]digest.Digest{}, decompress: map[string]bool{}}
	info, err := os.Stat(name)
	switch {
	case name != "-" && err != nil:
		return nil, nil, err
	case name != "-" && info.IsDir():
		a.files = directory(name)
	default:
		if a.files, err = openTar(ctx, name, aside); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	found, err := a.find(ctx)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("%s: %w", name, err), a.Close())
	}
	return a, found, nil
}

func (a *Archive) find(ctx context.Context) ([]Found, error) {
	text, err := a.read("index.json")
	if errors.Is(err, fs.ErrNotExist) {
		if text, err = a.read("manifest.json"); err == nil {
			return a.docker(ctx, text)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil, errors.New("is no image: it has neither index.json (OCI) nor manifest.json (docker save); a plain root file system is for: minirun import")
		}
	}
	if err != nil {
		return nil, err
	}
	var index oci.Index
	if err := json.Unmarshal(text, &index); err != nil {
		return nil, fmt.Errorf("index.json: %w", err)
	}
	if err := image.CheckIndex(len(index.Manifests)); err != nil {
		return nil, fmt.Errorf("index.json: %w", err)
	}
	var out []Found
	for _, d := range index.Manifests {
		f := Found{Desc: d}
		// containerd and Docker write the name in full to an annotation of their own, and only the tag to the OCI's.
		text := d.Annotations["io.containerd.image.name"]
		if text == "" {
			text = d.Annotations[oci.AnnotationRefName]
		}
		if n, err := image.ParseName(text); err == nil && (strings.ContainsAny(text, "/:") || text != "") {
			f.Names = append(f.Names, n)
		}
		f.Desc.Annotations = nil
		out = append(out, f)
	}
	return out, nil
}

// read reads a small member.
func (a *Archive) read(name string) ([]byte, error) {
	f, err := a.open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxDocument+1))
	if err == nil && len(data) > maxDocument {
		err = fmt.Errorf("%s: is longer than the %d bytes that are read", name, maxDocument)
	}
	return data, err
}

// Open implements [Source].
func (a *Archive) Open(_ context.Context, d oci.Descriptor, offset int64) (io.ReadCloser, int64, error) {
	if text, ok := a.docs[d.Digest.String()]; ok {
		return io.NopCloser(bytes.NewReader(text)), 0, nil
	}
	name, ok := a.blobs[d.Digest.String()]
	if !ok {
		if err := image.CheckDigest(d.Digest.String()); err != nil {
			return nil, 0, err
		}
		name = path.Join("blobs", "sha256", d.Digest.Encoded())
	}
	if a.decompress[d.Digest.String()] {
		content, err := a.openPlain(name)
		return content, 0, err
	}
	f, err := a.open(name)
	if err != nil {
		return nil, 0, err
	}
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, offset, nil
}

// directory are the files of an OCI image layout.
type directory string

func (d directory) open(name string) (io.ReadSeekCloser, error) {
	root, err := os.Open(string(d))
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	// Another user may have written the layout: its links must not lead out of it.
	return regularfile.OpenIn(int(root.Fd()), filepath.FromSlash(name), unix.RESOLVE_BENEATH|unix.RESOLVE_NO_MAGICLINKS)
}

func (directory) Close() error { return nil }

// members are the files of a tar archive, which is read where they are.
type members struct {
	file *os.File
	at   map[string]member
}

type member struct {
	offset, size int64
	link         string // the member that it stands for
}

func openTar(ctx context.Context, name, aside string) (*members, error) {
	f := os.Stdin
	if name != "-" {
		var err error
		if f, err = ctxio.Open(ctx, name); err != nil {
			return nil, err
		}
	}
	plain, err := seekable(ctx, f, aside)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	m := &members{file: plain, at: map[string]member{}}
	if err := m.list(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("read the archive: %w", err), plain.Close())
	}
	return m, nil
}

// seekable is the uncompressed archive as a file: itself, or a copy without a
// name.
func seekable(ctx context.Context, f *os.File, aside string) (*os.File, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	var first [compression.HeadSize]byte
	if info.Mode().IsRegular() {
		if _, err := f.ReadAt(first[:], 0); err != nil && err != io.EOF {
			return nil, err
		}
		if !compression.IsCompressed(first[:]) {
			return f, nil
		}
	}
	plain, err := layer.NewReader(ctx, ctxio.NewReader(ctx, f))
	if err != nil {
		return nil, err
	}
	defer plain.Close()
	spool, err := os.CreateTemp(aside, "archive-")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(spool.Name()); err != nil {
		return nil, errors.Join(err, spool.Close())
	}
	if _, err := io.Copy(spool, plain); err != nil {
		return nil, errors.Join(fmt.Errorf("spool it: %w", err), spool.Close())
	}
	return spool, f.Close()
}

// maxMembers bounds the list.
const maxMembers = 1 << 20

func (m *members) list(ctx context.Context) error {
	if _, err := m.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	archive := tar.NewReader(m.file)
	for len(m.at) < maxMembers {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name := memberName(h.Name)
		switch h.Typeflag {
		case tar.TypeReg:
			at, err := m.file.Seek(0, io.SeekCurrent)
			if err != nil {
				return err
			}
			m.at[name] = member{offset: at, size: h.Size}
		case tar.TypeSymlink: // docker save wrote a layer once, and links for the others that are equal
			m.at[name] = member{link: path.Join("/", path.Dir(name), h.Linkname)[1:]}
		case tar.TypeLink:
			m.at[name] = member{link: memberName(h.Linkname)}
		}
	}
	return fmt.Errorf("more than %d members", maxMembers)
}

func (m *members) open(name string) (io.ReadSeekCloser, error) {
	found, ok := m.at[name]
	for n := 0; ok && found.link != "" && n < maxLinks; n++ {
		found, ok = m.at[found.link]
	}
	if !ok || found.link != "" {
		return nil, &fs.PathError{Op: "find in the archive", Path: name, Err: fs.ErrNotExist}
	}
	return section{io.NewSectionReader(m.file, found.offset, found.size)}, nil
}

func (m *members) Close() error { return m.file.Close() }

type section struct{ *io.SectionReader }

func (section) Close() error { return nil }
