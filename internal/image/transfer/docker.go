package transfer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/ctxio"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/layer"
)

// saved is an entry of manifest.json in an archive of `docker save`
// (moby, image/spec/v1.2.md, "Combined Image JSON + Filesystem Changeset Format").
type saved struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// docker reads such an archive's list of images and makes up the manifests that it
// does not have. The configurations, hence the IDs, are the archive's own.
func (a *Archive) docker(ctx context.Context, text []byte) ([]Found, error) {
	var list []saved
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("manifest.json: %w", err)
	}
	if err := image.CheckIndex(len(list)); err != nil {
		return nil, fmt.Errorf("manifest.json: %w", err)
	}
	var out []Found
	for n, one := range list {
		f, err := a.dockerImage(ctx, one)
		if err != nil {
			return nil, fmt.Errorf("manifest.json: [%d]: %w", n, err)
		}
		out = append(out, f)
	}
	return out, nil
}

func (a *Archive) dockerImage(ctx context.Context, one saved) (Found, error) {
	if err := errors.Join(ctx.Err(), image.CheckManifest(len(one.Layers))); err != nil {
		return Found{}, err
	}
	config, err := a.read(path.Clean(one.Config))
	if err != nil {
		return Found{}, fmt.Errorf("its Config: %w", err)
	}
	var c oci.Image
	if err := json.Unmarshal(config, &c); err != nil {
		return Found{}, fmt.Errorf("%s: %w", one.Config, err)
	}
	if len(c.RootFS.DiffIDs) != len(one.Layers) {
		return Found{}, fmt.Errorf("%d Layers, the configuration has %d", len(one.Layers), len(c.RootFS.DiffIDs))
	}
	m := oci.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: oci.MediaTypeImageManifest, Config: a.made(oci.MediaTypeImageConfig, config), Layers: []oci.Descriptor{}}
	for n, name := range one.Layers {
		d, err := a.dockerLayer(ctx, path.Clean(name), c.RootFS.DiffIDs[n])
		if err != nil {
			return Found{}, fmt.Errorf("its Layers[%d]: %w", n, err)
		}
		m.Layers = append(m.Layers, d)
	}
	manifest, err := json.Marshal(m)
	if err != nil {
		return Found{}, err
	}
	f := Found{Desc: a.made(oci.MediaTypeImageManifest, manifest)}
	for _, tag := range one.RepoTags {
		name, err := image.ParseName(tag)
		if err != nil {
			return Found{}, err
		}
		f.Names = append(f.Names, name)
	}
	return f, nil
}

// made keeps a document as a blob of the archive.
func (a *Archive) made(mediaType string, text []byte) oci.Descriptor {
	d := oci.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(text), Size: int64(len(text))}
	a.docs[d.Digest.String()] = text
	return d
}

// dockerLayer describes a layer. One that is not compressed, the rule, has its
// diff ID as digest, which is verified when it is stored; another must be read.
func (a *Archive) dockerLayer(ctx context.Context, name string, diffID digest.Digest) (oci.Descriptor, error) {
	f, err := a.open(name)
	if err != nil {
		return oci.Descriptor{}, err
	}
	defer func() { _ = f.Close() }()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return oci.Descriptor{}, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return oci.Descriptor{}, err
	}
	var begin [4]byte
	if _, err := io.ReadFull(f, begin[:]); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return oci.Descriptor{}, err
	}
	d := oci.Descriptor{MediaType: mediaTypes[layer.Detect(begin[:])], Digest: diffID, Size: size}
	if layer.Detect(begin[:]) != layer.Plain {
		if d.Digest, err = a.digestOf(ctx, name, f); err != nil {
			return oci.Descriptor{}, err
		}
	}
	a.blobs[d.Digest.String()] = name
	return d, nil
}

// digestOf reads a member once, however many images have it as a layer.
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

var mediaTypes = map[layer.Compression]string{
	layer.Plain: oci.MediaTypeImageLayer, layer.Gzip: oci.MediaTypeImageLayerGzip, layer.Zstd: oci.MediaTypeImageLayerZstd,
}
