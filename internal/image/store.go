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

	"github.com/moby/sys/user"

	"github.com/minirun/minirun/internal/namespaces"
)

// A Store is an image store in a directory.
type Store struct{ Dir string }

// DefaultDir returns the store to use without --store: the system's for root, and one in the user's
// data directory for other users.
func DefaultDir() string {
	if !namespaces.Unprivileged() {
		return "/var/lib/minirun"
	}
	data := os.Getenv("XDG_DATA_HOME")
	if data == "" {
		data = filepath.Join(homeDir(), ".local", "share")
	}
	return filepath.Join(data, "minirun")
}

// homeDir returns the user's home directory, also where HOME is not set, as in a cron job. The store
// must not be in whatever the working directory is.
func homeDir() string {
	if home := os.Getenv("HOME"); home != "" {
		return home
	}
	if u, err := user.LookupUid(os.Geteuid()); err == nil && u.Home != "" {
		return u.Home
	}
	return "/"
}

// ErrNotFound is the cause when the store has no such image.
var ErrNotFound = errors.New("no such image")

// ErrNotUnpacked is the cause when an image exists but not all of its layers are unpacked.
var ErrNotUnpacked = errors.New("not unpacked yet")

// maxDocument limits the size of manifests, configurations and indexes that are read into memory.
const maxDocument = 8 << 20

// An Image is one image for this machine's platform, with what is needed to run it.
type Image struct {
	Name     string // as in index.json; "" if it was named by its digest
	Manifest string // the manifest's digest
	ID       string // the digest of the configuration, which is what `images` and Docker show
	Config   Config
}

// Blob returns the path of the blob with this digest.
func (s *Store) Blob(digest string) string {
	return filepath.Join(s.Dir, "blobs", "sha256", strings.TrimPrefix(digest, digestStart))
}

// index reads index.json, the list of names. It is empty if the store does not exist.
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
		return fmt.Errorf("%s is too large: %d bytes (the limit is %d)", path, info.Size(), maxDocument)
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

// document reads a blob that contains JSON.
func (s *Store) document(digest string, into any) error {
	if err := CheckDigest(digest); err != nil {
		return err
	}
	return readDocument(s.Blob(digest), into)
}

// Find looks up an image by its name, its digest, or the beginning of its ID (`images` prints 12
// digits). The returned name is the one in index.json, or "".
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
	if d, ok, err := s.findByID(list.Manifests, text); ok || err != nil {
		return d, "", err
	}
	if bad != nil {
		return d, "", bad
	}
	return d, "", fmt.Errorf("%w: %s", ErrNotFound, n.Familiar())
}

func sameRepository(ref string, name Name) bool {
	n, err := ParseName(ref)
	return err == nil && n.Registry == name.Registry && n.Repository == name.Repository
}

// shortID is the minimum number of digits of an ID.
const shortID = 4

// IDPrefix returns the digest that a text is the beginning of, if it can be one.
func IDPrefix(text string) (prefix string, ok bool) {
	hex := strings.TrimPrefix(text, digestStart)
	return digestStart + hex, len(hex) >= shortID && strings.Trim(hex, digits+"abcdef") == ""
}

// AmbiguousIDError reports that a text is the beginning of several IDs.
func AmbiguousIDError(text string) error {
	return fmt.Errorf("image ID %s is ambiguous\nhint: give more digits", text)
}

// findByID finds an image by the beginning of its ID or its digest.
func (s *Store) findByID(list []Descriptor, text string) (found Descriptor, ok bool, err error) {
	prefix, ok := IDPrefix(text)
	if !ok {
		return found, false, nil
	}
	ok = false
	for _, d := range list {
		match := strings.HasPrefix(d.Digest, prefix)
		if _, m, err := s.manifest(d); err == nil && strings.HasPrefix(m.Config.Digest, prefix) {
			match = true
		}
		if match && ok && d.Digest != found.Digest {
			return found, false, AmbiguousIDError(text)
		}
		if match {
			found, ok = d, true
		}
	}
	return found, ok, nil
}

// manifest reads the manifest for this machine that a descriptor refers to, and returns it with its
// digest.
func (s *Store) manifest(d Descriptor) (digest string, m manifest, err error) {
	for depth := 0; IsIndex(d.MediaType); depth++ {
		if depth > MaxDepth {
			return "", m, fmt.Errorf("index %s is nested more than %d levels deep", d.Digest, MaxDepth)
		}
		var index manifests
		if err := s.document(d.Digest, &index); err != nil {
			return "", m, err
		}
		if d, err = s.chooseManifest(index.Manifests); err != nil {
			return "", m, err
		}
	}
	return d.Digest, m, s.document(d.Digest, &m)
}

// Open finds an image and reads what is needed to run it.
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

// chooseManifest selects the manifest for this machine. Pull does the exact matching, such as the variant
// of the processor, and stores only what was asked for.
func (s *Store) chooseManifest(list []Descriptor) (Descriptor, error) {
	var images []Descriptor
	for _, m := range list {
		if p := m.Platform; p != nil && p.OS == "unknown" {
			continue // attestations of an image are not images
		}
		images = append(images, m)
	}
	for _, m := range images {
		if p := m.Platform; p == nil || p.OS != "linux" || p.Architecture != runtime.GOARCH {
			continue
		}
		if _, err := os.Lstat(s.Blob(m.Digest)); err != nil { // only another platform's image was fetched
			return m, fmt.Errorf("%w: the image for linux/%s (%s) was not pulled", ErrNotFound, runtime.GOARCH,
				m.Digest)
		}
		return m, nil
	}
	if len(images) == 1 { // it is the one that was asked for
		return images[0], nil
	}
	return Descriptor{}, fmt.Errorf("none of the %d manifests is for linux/%s", len(images), runtime.GOARCH)
}

// Layer returns the directory of an unpacked layer. Its name is half of the chain ID's digest,
// because before Linux 6.8 the names of all layers must fit into a page.
func (s *Store) Layer(chain string) string {
	return filepath.Join(s.Dir, "layers", strings.TrimPrefix(chain, digestStart)[:32])
}

// Layers returns the directories of the unpacked layers of the image with this ID, lowest first.
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

// Unpacked returns the path of the file that lists an image's unpacked layers. Its name is the ID
// of the image.
func (s *Store) Unpacked(id string) string {
	return filepath.Join(s.Dir, "unpacked", strings.TrimPrefix(id, digestStart))
}
