package transfer

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/compression"
	"github.com/minirun/minirun/internal/ctxio"
	"github.com/minirun/minirun/internal/image"
)

// dockerManifest is an entry of manifest.json in an archive of `docker save`
// (moby, image/spec/v1.2.md, "Combined Image JSON + Filesystem Changeset Format").
type dockerManifest struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// findDockerImages reads the list of images in such an archive and generates the manifests that it lacks. It
// keeps the archive's configurations, so the image IDs do not change.
func (a *Archive) findDockerImages(ctx context.Context, text []byte) ([]ArchivedImage, error) {
	var list []dockerManifest
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("manifest.json: %w", err)
	}
	if err := image.CheckIndex(len(list)); err != nil {
		return nil, fmt.Errorf("manifest.json: %w", err)
	}
	var out []ArchivedImage
	for n, one := range list {
		f, err := a.dockerImage(ctx, one)
		if err != nil {
			return nil, fmt.Errorf("manifest.json: [%d]: %w", n, err)
		}
		out = append(out, f)
	}
	return out, nil
}

func (a *Archive) dockerImage(ctx context.Context, one dockerManifest) (ArchivedImage, error) {
	if err := errors.Join(ctx.Err(), image.CheckManifest(len(one.Layers))); err != nil {
		return ArchivedImage{}, err
	}
	config, err := a.read(memberName(one.Config))
	if err != nil {
		return ArchivedImage{}, fmt.Errorf("its Config: %w", err)
	}
	var c oci.Image
	if err := json.Unmarshal(config, &c); err != nil {
		return ArchivedImage{}, fmt.Errorf("%s: %w", one.Config, err)
	}
	if len(c.RootFS.DiffIDs) != len(one.Layers) {
		return ArchivedImage{}, fmt.Errorf("it lists %d layers, but its configuration %d", len(one.Layers),
			len(c.RootFS.DiffIDs))
	}
	m := oci.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: oci.MediaTypeImageManifest,
		Config: a.addDocument(oci.MediaTypeImageConfig, config), Layers: []oci.Descriptor{}}
	for n, name := range one.Layers {
		d, err := a.dockerLayer(ctx, memberName(name), c.RootFS.DiffIDs[n])
		if err != nil {
			return ArchivedImage{}, fmt.Errorf("its Layers[%d]: %w", n, err)
		}
		m.Layers = append(m.Layers, d)
	}
	manifest, err := json.Marshal(m)
	if err != nil {
		return ArchivedImage{}, err
	}
	f := ArchivedImage{Desc: a.addDocument(oci.MediaTypeImageManifest, manifest)}
	for _, tag := range one.RepoTags {
		if tag == "<none>:<none>" { // written by Docker and Podman if there is no name
			continue
		}
		name, err := image.ParseName(tag)
		if err != nil {
			return ArchivedImage{}, err
		}
		f.Names = append(f.Names, name)
	}
	return f, nil
}

// memberName converts a name to the form used in the list of members.
func memberName(name string) string { return path.Clean("/" + name)[1:] }

// addDocument adds a generated document to the archive as a blob.
func (a *Archive) addDocument(mediaType string, text []byte) oci.Descriptor {
	d := oci.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(text), Size: int64(len(text))}
	a.docs[d.Digest.String()] = text
	return d
}

// dockerLayer returns the descriptor of a layer. Most layers are not compressed: their digest is
// the diff ID, which is verified when the layer is stored. A compressed layer must be read to
// compute its digest. There is no media type for bzip2 and xz, so these layers are stored
// uncompressed.
func (a *Archive) dockerLayer(ctx context.Context, name string, diffID digest.Digest) (oci.Descriptor, error) {
	f, err := a.open(name)
	if err != nil {
		return oci.Descriptor{}, err
	}
	defer func() { _ = f.Close() }()
	format, size, err := inspectMember(f)
	if err != nil {
		return oci.Descriptor{}, err
	}
	d := oci.Descriptor{MediaType: mediaTypes[format], Digest: diffID, Size: size}
	switch format {
	case compression.Plain:
	case compression.Bzip2, compression.XZ:
		d.MediaType = oci.MediaTypeImageLayer
		if d.Size, err = a.plainSize(ctx, name); err != nil {
			return oci.Descriptor{}, fmt.Errorf("%s: %w", name, err)
		}
		a.decompress[diffID.String()] = true
	default:
		if d.Digest, err = a.digestOf(ctx, name, f); err != nil {
			return oci.Descriptor{}, err
		}
	}
	a.blobs[d.Digest.String()] = name
	return d, nil
}

// inspectMember returns the compression format of a member and its size.
func inspectMember(f io.ReadSeeker) (compression.Format, int64, error) {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return compression.Plain, 0, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return compression.Plain, 0, err
	}
	var head [compression.HeadSize]byte
	n, err := io.ReadFull(f, head[:])
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return compression.Plain, 0, err
	}
	return compression.Detect(head[:n]), size, nil
}

// plainSize returns the size of a member after decompression.
func (a *Archive) plainSize(ctx context.Context, name string) (int64, error) {
	content, err := a.openPlain(name)
	if err != nil {
		return 0, err
	}
	size, err := io.Copy(io.Discard, ctxio.NewReader(ctx, content))
	return size, errors.Join(err, content.Close())
}

// openPlain opens the uncompressed content of a member.
func (a *Archive) openPlain(name string) (io.ReadCloser, error) {
	f, err := a.open(name)
	if err != nil {
		return nil, err
	}
	content, _, release, err := compression.Open(bufio.NewReaderSize(f, 256<<10))
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &plainMember{content, f, release}, nil
}

// plainMember is the uncompressed content of a member.
type plainMember struct {
	io.Reader
	file    io.Closer
	release func()
}

// Close implements io.Closer.
func (m *plainMember) Close() error {
	m.release()
	return m.file.Close()
}

// digestOf returns the digest of a member, which is read only once even if several images have it
// as a layer.
func (a *Archive) digestOf(ctx context.Context, name string, f io.ReadSeeker) (digest.Digest, error) {
	if d, ok := a.hashed[name]; ok {
		return d, nil
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	d, err := digest.FromReader(ctxio.NewReader(ctx, f))
	if err == nil {
		a.hashed[name] = d
	}
	return d, err
}

// mediaTypes are the media types of layers; the other formats have none.
var mediaTypes = map[compression.Format]string{
	compression.Plain: oci.MediaTypeImageLayer, compression.Gzip: oci.MediaTypeImageLayerGzip,
	compression.Zstd: oci.MediaTypeImageLayerZstd,
}
