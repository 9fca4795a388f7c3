package image

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/minirun/minirun/internal/namespaces"
)

// A Store is a directory of images.
type Store struct{ Dir string }

// DefaultDir is the store when --store is not given: the system's for root, of
// the user's own data for others.
func DefaultDir() string {
	if !namespaces.Unprivileged() {
		return "/var/lib/minirun"
	}
	data := os.Getenv("XDG_DATA_HOME")
	if data == "" {
		data = filepath.Join(os.Getenv("HOME"), ".local", "share")
	}
	return filepath.Join(data, "minirun")
}

// ErrNotFound is the cause when the store has no such image.
var ErrNotFound = errors.New("no such image")

// ErrNotUnpacked is the cause when an image is there and not all of its layers
// are unpacked.
var ErrNotUnpacked = errors.New("not unpacked yet")

// maxDocument bounds what is read into memory of manifests, configurations and
// indexes.
const maxDocument = 8 << 20

// An Image is one image for this machine's platform, as far as running it goes.
type Image struct {
	Name     string // as in index.json; "" if it was named by its digest
	Manifest string // its digest
	ID       string // the digest of the configuration, which is what `images` and Docker show
	Config   Config
}

// Blob is the path of the blob of this digest.
func (s *Store) Blob(digest string) string {
	return filepath.Join(s.Dir, "blobs", "sha256", strings.TrimPrefix(digest, digestStart))
}

// index reads index.json: which names there are. A store that does not exist has
// none.
func (s *Store) index() (list manifests, err error) {
	err = readDocument(filepath.Join(s.Dir, "index.json"), &list)
	if errors.Is(err, fs.ErrNotExist) {
		return list, nil
	}
	return list, err
}

// readDocument reads a JSON document of bounded size.
func readDocument(path string, into any) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() > maxDocument {
		return fmt.Errorf("%s: %d bytes are more than the %d that are read of a document", path, info.Size(), maxDocument)
	}
	data := make([]byte, info.Size())
	n, err := f.Read(data)
	if err != nil && info.Size() > 0 || int64(n) != info.Size() {
		return fmt.Errorf("read %s: %d of %d bytes: %w", path, n, info.Size(), err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// document reads the blob of a digest, which is JSON.
func (s *Store) document(digest string, into any) error {
	if err := CheckDigest(digest); err != nil {
		return err
	}
	return readDocument(s.Blob(digest), into)
}

// Find looks for what people may call an image: its name, its digest, or the
// beginning of its ID (12 digits are what `images` shows). The name is that of
// index.json, or "".
func (s *Store) Find(text string) (d Descriptor, name string, err error) {
	list, err := s.index()
	if err != nil {
		return d, "", err
	}
	n, bad := ParseName(text)
	if bad == nil {
		full := n.String()
		for _, d := range list.Manifests {
			if ref := d.name(); ref == full || n.Digest != "" && d.Digest == n.Digest && sameRepository(ref, n) {
				return d, ref, nil
			}
		}
	}
	if d, ok, err := s.byID(list.Manifests, text); ok || err != nil {
		return d, "", err
	}
	if bad != nil {
		return d, "", bad
	}
	return d, "", fmt.Errorf("%w: %s", ErrNotFound, n)
}

func sameRepository(ref string, name Name) bool {
	n, err := ParseName(ref)
	return err == nil && n.Registry == name.Registry && n.Repository == name.Repository
}

// shortID is how many digits of an ID must be given at least.
const shortID = 4

// byID finds an image by the beginning of its ID or of its digest.
func (s *Store) byID(list []Descriptor, text string) (found Descriptor, ok bool, err error) {
	hex := strings.TrimPrefix(text, digestStart)
	if len(hex) < shortID || strings.Trim(hex, digits+"abcdef") != "" {
		return found, false, nil
	}
	for _, d := range list {
		match := strings.HasPrefix(d.Digest, digestStart+hex)
		if _, m, err := s.manifest(d); err == nil && strings.HasPrefix(m.Config.Digest, digestStart+hex) {
			match = true
		}
		if match && ok && d.Digest != found.Digest {
			return found, false, fmt.Errorf("image %s: several images begin so: give more digits", text)
		}
		if match {
			found, ok = d, true
		}
	}
	return found, ok, nil
}

// manifest reads the manifest for this machine that a descriptor stands for, and
// returns its digest.
func (s *Store) manifest(d Descriptor) (digest string, m manifest, err error) {
	for depth := 0; IsIndex(d.MediaType); depth++ {
		if depth > MaxDepth {
			return "", m, fmt.Errorf("index %s: is more than %d indexes deep", d.Digest, MaxDepth)
		}
		var index manifests
		if err := s.document(d.Digest, &index); err != nil {
			return "", m, err
		}
		if d, err = s.choose(index.Manifests); err != nil {
			return "", m, err
		}
	}
	return d.Digest, m, s.document(d.Digest, &m)
}

// Open finds an image and reads what running it needs.
func (s *Store) Open(text string) (*Image, error) {
	d, name, err := s.Find(text)
	if err != nil {
		return nil, err
	}
	i := &Image{Name: name}
	var m manifest
	if i.Manifest, m, err = s.manifest(d); err == nil {
		i.ID = m.Config.Digest
		err = s.document(i.ID, &i.Config)
	}
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", text, err)
	}
	return i, nil
}

// choose takes the manifest for this machine. What is more exact (a variant of the
// processor) is for pull, which stores only what was asked for.
func (s *Store) choose(list []Descriptor) (Descriptor, error) {
	var images []Descriptor
	for _, m := range list {
		if p := m.Platform; p != nil && p.OS == "unknown" {
			continue // what is attached to an image is none
		}
		images = append(images, m)
	}
	for _, m := range images {
		if p := m.Platform; p == nil || p.OS != "linux" || p.Architecture != runtime.GOARCH {
			continue
		}
		if _, err := os.Lstat(s.Blob(m.Digest)); err != nil { // only another platform's was fetched
			return m, fmt.Errorf("%w: the one for linux/%s, %s, was not fetched", ErrNotFound, runtime.GOARCH, m.Digest)
		}
		return m, nil
	}
	if len(images) == 1 { // it is what was asked for
		return images[0], nil
	}
	return Descriptor{}, fmt.Errorf("no manifest for linux/%s among %d", runtime.GOARCH, len(images))
}

// Layer is the directory of an unpacked layer. Half of the chain's digest names
// it: before Linux 6.8 the names of all layers must fit into a page.
func (s *Store) Layer(chain string) string {
	return filepath.Join(s.Dir, "layers", strings.TrimPrefix(chain, digestStart)[:32])
}

// Layers are the directories of the unpacked layers of the image with this ID,
// lowest first.
func (s *Store) Layers(id string) ([]string, error) {
	text, err := os.ReadFile(s.Unpacked(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", ErrNotUnpacked, id)
	}
	if err != nil {
		return nil, err
	}
	var dirs []string
	for line := range strings.Lines(string(text)) {
		dirs = append(dirs, filepath.Join(s.Layer(strings.TrimSpace(line)), "fs"))
	}
	return dirs, nil
}

// Unpacked is the file that says that an image's layers are unpacked, by the ID
// of the image.
func (s *Store) Unpacked(id string) string {
	return filepath.Join(s.Dir, "unpacked", strings.TrimPrefix(id, digestStart))
}
