// Package commit creates an image from what a container has written.
//
//	commit.go  the container's upper directory → a layer → an image
//	config.go  the container's process → the image's configuration (pure)
package commit

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/opencontainers/go-digest"
	oci "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/build/export"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/bundle"
	"github.com/minirun/minirun/internal/image/store"
	"github.com/minirun/minirun/internal/image/transfer"
)

// Options are what the user adds to the new image.
type Options struct {
	Author  string
	Message string   // of the history entry
	Changes []string // Dockerfile instructions that only change the configuration
}

// ErrNoContainer is the cause if a container does not exist.
var ErrNoContainer = errors.New("no such container created from an image")

// A Container is a container created from an image, with the image that it was created from.
type Container struct {
	ID    string
	Image *store.Image
	Dir   string // in the store
}

// Open finds a container.
func Open(s *store.Store, id string) (*Container, error) {
	o, err := s.ReadOrigin(id)
	if errors.Is(err, fs.ErrNotExist) || !filepath.IsLocal(id) {
		return nil, fmt.Errorf("%w: %s\nhint: minirun ps -a lists containers", ErrNoContainer, id)
	}
	if err != nil {
		return nil, err
	}
	i, err := s.Load(oci.Descriptor{MediaType: oci.MediaTypeImageManifest, Digest: digest.Digest(o.Manifest)}, o.Name)
	if err != nil {
		return nil, fmt.Errorf("container %s: image %s: %w", id, o.Manifest, err)
	}
	return &Container{ID: id, Image: i, Dir: s.Container(id)}, nil
}

// Layers returns the directories of the container's file system, lowest first.
func (c *Container) Layers(s *store.Store) ([]string, error) {
	layers, err := s.Layers(c.Image.ID())
	if err != nil {
		return nil, fmt.Errorf("container %s: %w", c.ID, err)
	}
	return append(layers, filepath.Join(c.Dir, "upper")), nil
}

// Commit creates an image with the container's layers and what it has written. The image has no name
// yet. The caller must hold the store's lock shared, and should have paused the container.
func (c *Container) Commit(ctx context.Context, s *store.Store, o Options) (oci.Descriptor, error) {
	config, err := c.configuration(o, time.Now().UTC())
	if err != nil {
		return oci.Descriptor{}, err
	}
	layers, err := baseLayers(s, c.Image)
	if err != nil {
		return oci.Descriptor{}, err
	}
	top, err := c.copyUpper(s)
	if err != nil {
		return oci.Descriptor{}, fmt.Errorf("copy the files that the container wrote: %w", err)
	}
	d, err := export.StoreImage(ctx, s, export.Result{Layers: append(layers, top), Config: *config,
		Platform: config.Platform, Created: *config.Created})
	if err != nil {
		return d, errors.Join(err, os.RemoveAll(filepath.Dir(top.Dir)))
	}
	d.Platform = nil // of the entry in an index
	return d, nil
}

// readSpec reads the container's config.json.
func (c *Container) readSpec() (*specs.Spec, error) {
	text, err := os.ReadFile(filepath.Join(c.Dir, "config.json"))
	var spec specs.Spec
	if err == nil {
		err = json.Unmarshal(text, &spec)
	}
	if err != nil {
		return nil, fmt.Errorf("container %s: %w", c.ID, err)
	}
	return &spec, nil
}

// configuration returns the configuration of the new image.
func (c *Container) configuration(o Options, now time.Time) (*Config, error) {
	spec, err := c.readSpec()
	if err != nil {
		return nil, err
	}
	config := newConfig(&c.Image.Config, spec.Process, o, now)
	for _, text := range o.Changes {
		if err := transfer.ApplyInstruction(config, text); err != nil {
			return nil, fmt.Errorf("--change %q: %w", text, err)
		}
	}
	return config, nil
}

// baseLayers returns the layers of the container's image.
func baseLayers(s *store.Store, i *store.Image) (out []export.Layer, err error) {
	keys := s.LayerKeys(i)
	if len(keys) != len(i.Manifest.Layers) || len(keys) != len(i.Config.RootFS.DiffIDs) {
		return nil, fmt.Errorf("image %s has %d layers in its manifest, but %d in its configuration", i.ID(),
			len(i.Manifest.Layers), len(i.Config.RootFS.DiffIDs))
	}
	for n, key := range keys {
		out = append(out, export.Layer{Dir: filepath.Join(s.Layer(key.String()), "fs"), Key: key,
			Desc: i.Manifest.Layers[n], DiffID: i.Config.RootFS.DiffIDs[n]})
	}
	return out, nil
}

// copyUpper copies the container's upper directory to a new layer of the store.
func (c *Container) copyUpper(s *store.Store) (export.Layer, error) {
	spec, err := c.readSpec()
	if err != nil {
		return export.Layer{}, err
	}
	key := digest.FromString(c.ID + rand.Text())
	temporary, dir := s.Temporary("commit-"+key.Encoded()), s.Layer(key.String())
	if err = os.Mkdir(temporary, 0o755); err == nil {
		err = bundle.CopyTree(filepath.Join(temporary, "fs"), filepath.Join(c.Dir, "upper"))
	}
	if err == nil {
		err = removeMountPoints(filepath.Join(temporary, "fs"), spec.Mounts)
	}
	var made store.Moment
	if err == nil {
		made, err = store.Now()
	}
	var text []byte
	if err == nil {
		text, err = json.Marshal(store.Layer{Chain: key, Made: made})
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(temporary, "layer.json"), append(text, '\n'), 0o644)
	}
	if err == nil {
		err = os.Rename(temporary, dir)
	}
	if err != nil {
		return export.Layer{}, errors.Join(err, os.RemoveAll(temporary))
	}
	return export.Layer{Dir: filepath.Join(dir, "fs"), Key: key}, nil
}

// ParseNames parses the name of the new image, which may be missing.
func ParseNames(text string) ([]image.Name, error) {
	if text == "" {
		return nil, nil
	}
	n, err := image.ParseName(text)
	if err == nil && n.Digest != "" {
		err = fmt.Errorf("image name %q: must be NAME[:TAG], not a digest", text)
	}
	return []image.Name{n}, err
}
