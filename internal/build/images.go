package build

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/util/suggest"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/build/graph"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/ingest"
	"github.com/minirun/minirun/internal/image/transfer"
)

// once is image, which several stages may ask for the same one.
func (b *Builder) once(ctx context.Context, o *Options) func(string, oci.Platform) (*graph.Image, error) {
	known := map[string]*graph.Image{}
	return func(name string, p oci.Platform) (*graph.Image, error) {
		key := name + " " + platforms.Format(p)
		if i, ok := known[key]; ok {
			return i, nil
		}
		i, err := b.image(ctx, o, name, p)
		if err == nil {
			known[key] = i
		}
		return i, err
	}
}

// image is one that FROM or --from names, for a platform: from the store, or else
// pulled.
func (b *Builder) image(ctx context.Context, o *Options, name string, p oci.Platform) (found *graph.Image, err error) {
	shown := b.begin("load metadata for " + fullName(name))
	defer func() { shown.end(err) }()
	if o.Always && o.Pull != nil {
		if err := o.Pull(ctx, name, p, shown); err != nil {
			return nil, err
		}
	}
	i, err := b.find(name, p)
	if missing := err; errors.Is(err, image.ErrNotFound) && o.Pull != nil && !o.Always {
		if err := o.Pull(ctx, name, p, shown); err != nil {
			return nil, b.unavailable(name, missing, err)
		}
		i, err = b.find(name, p)
	}
	if err != nil {
		return nil, err
	}
	if err := b.Store.Unpack(ctx, i, shown.Begin); err != nil {
		return nil, fmt.Errorf("unpack %s: %w", name, err)
	}
	dirs, err := b.Store.Layers(i.ID())
	if err != nil {
		return nil, err
	}
	return &graph.Image{Name: name, Manifest: i.Desc.Digest, Config: i.Config, Layers: i.Manifest.Layers, Dirs: dirs, Keys: b.Store.Keys(i)}, nil
}

// fullName is an image's name with what is understood, as far as it is one.
func fullName(name string) string {
	if n, err := image.ParseName(name); err == nil {
		return n.String()
	}
	return name
}

// unavailable says what to do without an image that the store has not and nobody
// sends.
func (b *Builder) unavailable(name string, missing, err error) error {
	text := fmt.Sprintf("%s is not in the store (minirun images)", name)
	if there := b.similar(name); len(there) > 0 {
		text += ", which has " + strings.Join(there, ", ")
	}
	return fmt.Errorf("%s, and cannot be pulled: %w. Without a registry, give the store an image of this name before: "+
		"minirun load -i ARCHIVE (of docker save), or minirun import ROOTFS.tar %s", text, errors.Join(onlyPlatform(missing), err), name)
}

// onlyPlatform is an error that says more than that an image is not there.
func onlyPlatform(missing error) error {
	if missing == image.ErrNotFound || !strings.Contains(missing.Error(), "the store has it for") {
		return nil
	}
	return missing
}

// similar are the store's images of the same repository, or with nearly the name.
func (b *Builder) similar(name string) (out []string) {
	n, err := image.ParseName(name)
	if err != nil {
		return nil
	}
	index, err := b.Store.Index()
	if err != nil {
		return nil // it is only a hint
	}
	for _, m := range index.Manifests {
		other, err := image.ParseName(m.Annotations[oci.AnnotationRefName])
		if err != nil {
			continue
		}
		_, misspelt := suggest.Search(n.Repository, []string{other.Repository}, true)
		if n.Repository == other.Repository || misspelt {
			out = append(out, strings.TrimPrefix(other.String(), "docker.io/library/"))
		}
	}
	slices.Sort(out)
	return out[:min(3, len(out))]
}

// find looks for an image of the store that is for a platform.
func (b *Builder) find(name string, p oci.Platform) (*ingest.Image, error) {
	d, full, err := b.Store.FindImage(name)
	if err != nil {
		return nil, err
	}
	if !image.IsIndex(d.MediaType) {
		return b.Store.Load(d, full)
	}
	text, err := b.Store.ReadDocument(d)
	if err != nil {
		return nil, err
	}
	var index oci.Index
	if err := json.Unmarshal(text, &index); err != nil {
		return nil, fmt.Errorf("%s: %w", d.Digest, err)
	}
	order := platforms.OnlyStrict(p)
	var there []string
	for _, m := range index.Manifests {
		if m.Platform == nil || !b.Store.Has(m.Digest) {
			continue
		}
		if order.Match(*m.Platform) {
			return b.Store.Load(m, full)
		}
		there = append(there, platforms.Format(*m.Platform))
	}
	return nil, fmt.Errorf("%w: %s for %s: the store has it for %s", image.ErrNotFound, name, platforms.Format(p), strings.Join(there, ", "))
}

// layout loads DIR[:TAG][@DIGEST], an OCI image layout, and returns the digest of
// the image, by which the store finds it.
func (b *Builder) layout(ctx context.Context, where string) (string, error) {
	dir, digest, _ := strings.Cut(where, "@")
	tag := ""
	if _, err := os.Stat(dir); err != nil {
		if at := strings.LastIndexByte(dir, ':'); at > strings.LastIndexByte(dir, '/') {
			dir, tag = dir[:at], dir[at+1:]
		}
	}
	a, found, err := transfer.OpenArchive(dir, filepath.Join(b.Store.Dir, "tmp"))
	if err != nil {
		return "", err
	}
	defer func() { _ = a.Close() }()
	for _, f := range found {
		tagged := slices.ContainsFunc(f.Names, func(n image.Name) bool { return n.Tag == tag })
		if digest != "" && f.Desc.Digest.String() != digest || tag != "" && !tagged {
			continue
		}
		shown := b.begin("load oci-layout://" + where)
		d, err := transfer.Fetch(ctx, b.Store, a, f.Desc, transfer.Options{All: image.IsIndex(f.Desc.MediaType), Jobs: 2}, shown)
		shown.end(err)
		if err != nil {
			return "", err
		}
		return d.Digest.String(), b.Store.Keep(d)
	}
	return "", fmt.Errorf("%s has no such image among %d", where, len(found))
}
