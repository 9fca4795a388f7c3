package build

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/util/suggest"
	"github.com/opencontainers/go-digest"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/build/graph"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/store"
	"github.com/minirun/minirun/internal/image/transfer"
	"github.com/minirun/minirun/internal/retry"
)

// An imageResolver resolves the images of one build. A name refers to the same image in all of
// its stages, even if another process changes the store in the meantime.
type imageResolver struct {
	builder *Builder
	options *Options
	found   map[string]*graph.Image // by name and platform
}

// resolve resolves an image named by FROM or --from, for a platform.
func (r *imageResolver) resolve(ctx context.Context, name string, p oci.Platform) (*graph.Image, error) {
	key := baseKey(name, p)
	if i, ok := r.found[key]; ok {
		return i, nil
	}
	i, err := r.builder.pullOrFind(ctx, r.options, name, p)
	if err == nil {
		r.found[key] = i
	}
	return i, err
}

func baseKey(name string, p oci.Platform) string { return name + " " + platforms.FormatAll(p) }

// pullOrFind returns an image from the store, or else pulls it.
func (b *Builder) pullOrFind(
	ctx context.Context, o *Options, name string, p oci.Platform,
) (found *graph.Image, err error) {
	shown := b.beginInternal("load metadata for " + fullName(name))
	defer func() { shown.end(err) }()
	ctx = retry.WithLines(ctx, shown.print)
	i, err := b.findImage(name, p)
	if missing := err; o.Pull != nil && !isDigest(name) && (errors.Is(err, image.ErrNotFound) || err == nil && o.Always) {
		// A name that must also serve another platform keeps its index.
		var other *otherPlatformError
		has := errors.As(err, &other)
		index := has || len(o.targetPlatforms()) > 1 || !platforms.OnlyStrict(platforms.DefaultSpec()).Match(p)
		if pulled := o.Pull(ctx, name, p, index, shown); has && pulled != nil {
			return nil, fmt.Errorf("%w, and cannot be pulled: %w", other, pulled)
		} else if pulled != nil && missing != nil {
			return nil, b.unavailableError(name, pulled)
		} else if pulled != nil {
			return nil, pulled
		}
		if i, err = b.findImage(name, p); err != nil {
			i, err = b.findOnlyPlatform(name, err)
		}
	}
	if err != nil {
		return nil, err
	}
	if err := b.Store.Unpack(ctx, i, shown.Begin); err != nil {
		return nil, fmt.Errorf("cannot unpack %s: %w", name, err)
	}
	dirs, err := b.Store.Layers(i.ID())
	if err != nil {
		return nil, err
	}
	return &graph.Image{
		Name:     name,
		Manifest: i.Desc.Digest,
		Config:   i.Config,
		Layers:   i.Manifest.Layers,
		Dirs:     dirs,
		Keys:     b.Store.LayerKeys(i),
	}, nil
}

// isDigest reports whether a name is the digest of an image in the store. No registry has it:
// it came from a context.
func isDigest(name string) bool {
	_, err := digest.Parse(name)
	return err == nil
}

// fullName expands the name of an image with its defaults, if it is valid.
func fullName(name string) string {
	if isDigest(name) {
		return name
	}
	if n, err := image.ParseName(name); err == nil {
		return n.String()
	}
	return name
}

// unavailableError adds a hint to the error for an image that is neither in the store nor in its
// registry.
func (b *Builder) unavailableError(name string, err error) error {
	text := fmt.Sprintf("%s is not in the store (minirun images)", name)
	if there := b.similarNames(name); len(there) > 0 {
		text += ", which has " + strings.Join(there, ", ")
	}
	return fmt.Errorf("%s, and cannot be pulled: %w\nhint: without a registry, add the image to the store first: "+
		"minirun load -i ARCHIVE (from docker save) or minirun import ROOTFS.tar %s", text, err, name)
}

// similarNames returns the store's images from the same repository, or with a similar name.
func (b *Builder) similarNames(name string) (out []string) {
	n, err := image.ParseName(name)
	if err != nil {
		return nil
	}
	index, err := b.Store.Index()
	if err != nil {
		return nil // this is only a hint
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

// findImage looks in the store for an image for a platform.
func (b *Builder) findImage(name string, p oci.Platform) (*store.Image, error) {
	d, full, err := b.Store.FindImage(name)
	if err != nil {
		return nil, err
	}
	list := []oci.Descriptor{d}
	if image.IsIndex(d.MediaType) {
		text, err := b.Store.ReadDocument(d)
		if err != nil {
			return nil, err
		}
		var index oci.Index
		if err := json.Unmarshal(text, &index); err != nil {
			return nil, fmt.Errorf("invalid index %s: %w", d.Digest, err)
		}
		list = index.Manifests
	}
	var best *store.Image
	missing := &otherPlatformError{name: name, wanted: platforms.Format(p)}
	for _, m := range list {
		if isAttestation(m) || !b.Store.Has(m.Digest) {
			continue
		}
		i, err := b.Store.Load(m, full)
		if err != nil {
			return nil, err
		}
		if m.Platform == nil {
			m.Platform = declaredPlatform(i)
		}
		missing.has = append(missing.has, platforms.Format(*m.Platform))
		if isBetterMatch(p, m.Platform, best) {
			i.Desc.Platform = m.Platform
			best = i
		}
	}
	if best == nil {
		return nil, missing
	}
	return best, nil
}

// findOnlyPlatform returns an image that a registry has for a single platform, if the error is that
// this is a different platform. Like BuildKit, a build uses it as it is: the linter has a
// finding for it (InvalidBaseImagePlatform).
func (b *Builder) findOnlyPlatform(name string, err error) (*store.Image, error) {
	var other *otherPlatformError
	if !errors.As(err, &other) || len(other.has) != 1 {
		return nil, err
	}
	d, full, missing := b.Store.FindImage(name)
	if missing != nil || image.IsIndex(d.MediaType) {
		return nil, err
	}
	return b.Store.Load(d, full)
}

// declaredPlatform returns the platform in an image's configuration. Some tools leave it out;
// their images are assumed to be for this machine.
func declaredPlatform(i *store.Image) *oci.Platform {
	p := i.Config.Platform
	if p.OS == "" {
		p.OS = "linux"
	}
	if p.Architecture == "" {
		p.Architecture = runtime.GOARCH
	}
	return &p
}

// isBetterMatch reports whether an image's platform is suitable for the wanted one, and closer to it
// than the best so far: an image for arm/v6 is suitable for arm/v7. One for 386 is not used
// for amd64, although the processor would run it.
func isBetterMatch(wanted oci.Platform, has *oci.Platform, best *store.Image) bool {
	order := platforms.Only(wanted)
	if platforms.Normalize(*has).Architecture != wanted.Architecture || !order.Match(*has) {
		return false
	}
	return best == nil || order.Less(*has, *best.Desc.Platform)
}

// isAttestation reports whether a descriptor is a BuildKit attestation and not an image.
func isAttestation(d oci.Descriptor) bool {
	return d.Annotations["vnd.docker.reference.type"] != "" || d.Platform != nil && d.Platform.OS == "unknown"
}

// An otherPlatformError means that an image exists only for other platforms.
type otherPlatformError struct {
	name, wanted string
	has          []string
}

func (e *otherPlatformError) Error() string {
	return fmt.Sprintf("%s is in the store for %[3]s, not for %[2]s", e.name, e.wanted, strings.Join(e.has, ", "))
}

// Is makes the error match image.ErrNotFound.
func (*otherPlatformError) Is(target error) bool { return target == image.ErrNotFound }

// loadLayout loads an OCI image layout, DIR[:TAG][@DIGEST], and returns the digest under which the
// store has the image.
func (b *Builder) loadLayout(ctx context.Context, where string) (string, error) {
	dir, digest, _ := strings.Cut(where, "@")
	tag := ""
	if _, err := os.Stat(dir); err != nil {
		if at := strings.LastIndexByte(dir, ':'); at > strings.LastIndexByte(dir, '/') {
			dir, tag = dir[:at], dir[at+1:]
		}
	}
	a, found, err := transfer.OpenArchive(ctx, dir, filepath.Join(b.Store.Dir, "tmp"))
	if err != nil {
		return "", err
	}
	defer func() { _ = a.Close() }()
	for _, f := range found {
		tagged := slices.ContainsFunc(f.Names, func(n image.Name) bool { return n.Tag == tag })
		if digest != "" && f.Desc.Digest.String() != digest || tag != "" && !tagged {
			continue
		}
		shown := b.beginInternal("load oci-layout://" + where)
		d, err := transfer.Fetch(
			ctx, b.Store, a, f.Desc, transfer.Options{All: image.IsIndex(f.Desc.MediaType), Jobs: 2}, shown,
		)
		shown.end(err)
		if err != nil {
			return "", err
		}
		return d.Digest.String(), b.Store.AddUnnamed(ctx, d)
	}
	return "", fmt.Errorf("%s is not one of the %d images in the layout", where, len(found))
}
