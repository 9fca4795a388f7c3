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

// A ArchivedImage is an image in an archive or a directory.
type ArchivedImage struct {
	Names []image.Name // names given there, possibly none
	Desc  oci.Descriptor
}

// files gives access to the members of a directory or an archive by clean relative name.
type files interface {
	open(name string) (io.ReadSeekCloser, error) // fs.ErrNotExist if there is no such member
	Close() error
}

// maxLinks limits how many links in a row a member may lead through.
const maxLinks = 8

// An Archive is a source that contains several images.
type Archive struct {
	files
	blobs  map[string]string        // in docker's archives: digest → member
	docs   map[string][]byte        // documents that were generated for them
	hashed map[string]digest.Digest // digests of the members that were hashed

	decompress map[string]bool // digests of blobs that are compressed in the archive but not in the store
}

// OpenArchive opens an OCI image layout, which is a directory or a tar archive, compressed or not,
// or an archive of `docker save`. "-" is standard input. Some archives are copied to an unnamed
// temporary file in tempDir.
func OpenArchive(ctx context.Context, name, tempDir string) (*Archive, []ArchivedImage, error) {
	a := &Archive{blobs: map[string]string{}, docs: map[string][]byte{}, hashed: map[string]digest.Digest{},
		decompress: map[string]bool{}}
	info, err := os.Stat(name)
	switch {
	case name != "-" && err != nil:
		return nil, nil, err
	case name != "-" && info.IsDir():
		a.files = directory(name)
	default:
		if a.files, err = openTar(ctx, name, tempDir); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	found, err := a.find(ctx)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("%s: %w", name, err), a.Close())
	}
	return a, found, nil
}

func (a *Archive) find(ctx context.Context) ([]ArchivedImage, error) {
	text, err := a.read("index.json")
	if errors.Is(err, fs.ErrNotExist) {
		if text, err = a.read("manifest.json"); err == nil {
			return a.findDockerImages(ctx, text)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil, errors.New("not an image: it has neither index.json (OCI) nor manifest.json (docker " +
				"save)\nhint: for an archive of a root file system, use minirun import")
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
	var out []ArchivedImage
	for _, d := range index.Manifests {
		f := ArchivedImage{Desc: d}
		// containerd and Docker store the full name in their own annotation, and only the tag in
		// the OCI's.
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
		err = fmt.Errorf("%s is too large (the limit is %d bytes)", name, maxDocument)
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

// directory is the files of an OCI image layout in a directory.
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

// members is the files of a tar archive, which are read in place.
type members struct {
	file *os.File
	at   map[string]member
}

type member struct {
	offset, size int64
	link         string // name of the member that it links to
}

func openTar(ctx context.Context, name, tempDir string) (*members, error) {
	f := os.Stdin
	if name != "-" {
		var err error
		if f, err = ctxio.Open(ctx, name); err != nil {
			return nil, err
		}
	}
	plain, err := seekable(ctx, f, tempDir)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	m := &members{file: plain, at: map[string]member{}}
	if err := m.list(ctx); err != nil {
		if errors.Is(err, tar.ErrHeader) || errors.Is(err, io.ErrUnexpectedEOF) && len(m.at) == 0 {
			err = fmt.Errorf("not a tar archive (%w)", err)
		}
		return nil, errors.Join(fmt.Errorf("read the archive: %w", err), plain.Close())
	}
	return m, nil
}

// seekable returns the uncompressed archive as a file: the file itself, or an unnamed copy.
func seekable(ctx context.Context, f *os.File, tempDir string) (*os.File, error) {
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
	spool, err := os.CreateTemp(tempDir, "archive-")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(spool.Name()); err != nil {
		return nil, errors.Join(err, spool.Close())
	}
	if _, err := io.Copy(spool, plain); err != nil {
		return nil, errors.Join(fmt.Errorf("copy it to a temporary file: %w", err), spool.Close())
	}
	return spool, f.Close()
}

// maxMembers limits the number of members.
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
		case tar.TypeSymlink: // docker save stored a layer once, and identical ones as links to it
			m.at[name] = member{link: path.Join("/", path.Dir(name), h.Linkname)[1:]}
		case tar.TypeLink:
			m.at[name] = member{link: memberName(h.Linkname)}
		}
	}
	return fmt.Errorf("the archive has more than %d members", maxMembers)
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
