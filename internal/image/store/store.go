// Package store writes the store that package image reads: verified blobs, names and unpacked
// layers. It also removes what is no longer needed.
//
//	store.go    opens a store and images; writes files atomically
//	blobs.go    blobs, with interrupted downloads resumed
//	names.go    index.json; remove.go: removes many names at once
//	unpack.go   layers
//	build.go    the records of build caches, for prune
//	usage.go    what builds have in the store, for du and prune
//	sweep.go    rmi and prune: find what is referenced and remove the rest
//	durable.go  which layers are complete after a power failure
//	check.go    verifies the store
//
// Crash-safe: a file under its final name is always complete. A killed process leaves at most
// garbage in tmp.
package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/containerd/platforms"
	docker "github.com/moby/docker-image-spec/specs-go/v1"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/nearest"
)

// A Store is a store that can be written to.
type Store struct{ *image.Store }

// Open creates the directories of a store if they do not exist.
func Open(dir string) (*Store, error) {
	s := &Store{&image.Store{Dir: dir}}
	// Other users have no access: images contain set-user-ID programs, which they could execute
	// (CVE-2021-41091), and secrets.
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot create the image store: %w", err)
	}
	for _, d := range []string{"blobs", "blobs/sha256", "layers", "unpacked", "locks", "tmp", "containers", "build",
		"build/cache", "build/blobs", "build/files", "build/last", "build/history"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("cannot create the image store: %w", err)
		}
	}
	layout := filepath.Join(dir, oci.ImageLayoutFile)
	if _, err := os.Stat(layout); errors.Is(err, fs.ErrNotExist) {
		text, err := json.Marshal(oci.ImageLayout{Version: oci.ImageLayoutVersion})
		if err != nil {
			return nil, err
		}
		if err := s.writeFile(layout, text, 0o644); err != nil {
			return nil, err
		}
	}
	return s, nil
}

var counter atomic.Int64

// Temporary returns a path in tmp that no other process and no other call uses. Files
// left there after the process exits are garbage.
func (s *Store) Temporary(what string) string {
	return filepath.Join(s.Dir, "tmp", what+"."+strconv.Itoa(os.Getpid())+"."+strconv.FormatInt(counter.Add(1), 10))
}

// Replace writes a file of the store atomically, like writeFile, but does not sync it. It is for
// caches, which can be created again.
func (s *Store) Replace(path string, data []byte) error {
	temporary := s.Temporary(filepath.Base(path))
	err := os.WriteFile(temporary, data, 0o600)
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		_ = os.Remove(temporary) // may not exist
	}
	return err
}

// writeFile writes a file atomically: it writes and syncs a temporary file and renames it.
func (s *Store) writeFile(path string, data []byte, mode fs.FileMode) error {
	temporary := s.Temporary(filepath.Base(path))
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, err), os.Remove(temporary))
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes a rename durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	return errors.Join(err, d.Close())
}

// An Image is one image in the store, for one platform.
type Image struct {
	Name     string         // as in index.json; "" if it was named by its digest
	Target   oci.Descriptor // a manifest, or an index of several, as in index.json
	Desc     oci.Descriptor // the manifest
	Manifest oci.Manifest
	Config   docker.DockerOCIImage
}

// ID returns the digest of the configuration.
func (i *Image) ID() string { return i.Manifest.Config.Digest.String() }

// Index reads index.json.
func (s *Store) Index() (*oci.Index, error) {
	var index oci.Index
	text, err := os.ReadFile(filepath.Join(s.Dir, oci.ImageIndexFile))
	if errors.Is(err, fs.ErrNotExist) {
		return &index, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &index)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", oci.ImageIndexFile, err)
	}
	return &index, nil
}

// FindImage looks up an image as [image.Store.Find] does.
func (s *Store) FindImage(text string) (oci.Descriptor, string, error) {
	found, name, err := s.Find(text)
	if err != nil {
		return oci.Descriptor{}, "", err
	}
	index, err := s.Index()
	if err != nil {
		return oci.Descriptor{}, "", err
	}
	for _, d := range index.Manifests {
		if d.Digest.String() == found.Digest && (name == "" || refName(d) == name) {
			return d, name, nil
		}
	}
	return oci.Descriptor{}, "", fmt.Errorf("%w: %s was removed by another process", image.ErrNotFound, text)
}

// ExplainMissing adds the name that was probably meant to an error about an image that does not exist.
func (s *Store) ExplainMissing(err error, text string) error {
	if !errors.Is(err, image.ErrNotFound) {
		return err
	}
	if near := nearest.Word(strings.TrimSuffix(text, ":latest"), s.Names()); near != "" {
		return fmt.Errorf("%w\nhint: did you mean %s? minirun images lists the images", err, near)
	}
	return fmt.Errorf("%w\nhint: minirun images lists the images, and minirun pull %s fetches it", err, text)
}

// OpenImage finds an image and reads its manifest and configuration.
func (s *Store) OpenImage(text string) (*Image, error) {
	d, name, err := s.FindImage(text)
	if err != nil {
		return nil, s.ExplainMissing(err, text)
	}
	i, err := s.Load(d, name)
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", text, err)
	}
	return i, nil
}

// manifestSearch searches an index and the indexes in it for the manifest for this machine, or else the
// first manifest that the store has.
type manifestSearch struct {
	store *Store
	order platforms.MatchComparer
	walk  image.Walk
	seen  int
	best  oci.Descriptor
}

func (c *manifestSearch) consider(d oci.Descriptor, depth int) error {
	if first, err := c.walk.Enter(d.Digest.String(), depth); err != nil || !first {
		return err
	}
	var index oci.Index
	if err := c.store.decode(d, &index); err != nil {
		return err
	}
	for _, m := range index.Manifests {
		c.seen++
		if !c.store.Has(m.Digest) {
			continue
		}
		if image.IsIndex(m.MediaType) {
			if err := c.consider(m, depth+1); err != nil {
				return err
			}
			continue
		}
		fits, best := m.Platform != nil && c.order.Match(*m.Platform), c.best.Platform
		if c.best.Digest == "" || fits && (best == nil || !c.order.Match(*best) || c.order.Less(*m.Platform, *best)) {
			c.best = m
		}
	}
	return nil
}

// Load reads the manifest and configuration that a descriptor refers to. For an index, it reads
// those for this machine, or else the first that the store has.
func (s *Store) Load(d oci.Descriptor, name string) (*Image, error) {
	return s.load(d, name, platforms.DefaultSpec())
}

// LoadPlatform is like Load for the image for a platform, OS/ARCHITECTURE[/VARIANT], which must be the
// image's. "" is this machine's, or else the first that the store has.
func (s *Store) LoadPlatform(d oci.Descriptor, name, platform string) (*Image, error) {
	if platform == "" {
		return s.Load(d, name)
	}
	p, err := platforms.Parse(platform)
	if err != nil {
		return nil, fmt.Errorf("--platform %s: %w", platform, err)
	}
	i, err := s.load(d, name, p)
	if err != nil {
		return nil, err
	}
	if has := i.Config.Platform; !platforms.OnlyStrict(p).Match(platforms.Normalize(has)) {
		return nil, fmt.Errorf("the store has it for %s, not for %s\nhint: minirun pull --platform %[2]s",
			platforms.Format(has), platform)
	}
	return i, nil
}

func (s *Store) load(d oci.Descriptor, name string, platform oci.Platform) (*Image, error) {
	i := &Image{Name: name, Target: d, Desc: d}
	if image.IsIndex(d.MediaType) {
		c := &manifestSearch{store: s, order: platforms.Only(platform)}
		if err := c.consider(d, 0); err != nil {
			return nil, err
		}
		if i.Desc = c.best; i.Desc.Digest == "" {
			return nil, fmt.Errorf("the store has none of the %d manifests in its index", c.seen)
		}
	}
	if err := s.decode(i.Desc, &i.Manifest); err != nil {
		return nil, err
	}
	return i, s.decode(i.Manifest.Config, &i.Config)
}
