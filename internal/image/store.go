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

	docker "github.com/moby/docker-image-spec/specs-go/v1"
	oci "github.com/opencontainers/image-spec/specs-go/v1"
)

// A Store is a directory of images.
type Store struct{ Dir string }

// DefaultDir is the store when --store is not given: the system's for root, of
// the user's own data for others.
func DefaultDir() string {
	if !Rootless() {
		return "/var/lib/minirun"
	}
	data := os.Getenv("XDG_DATA_HOME")
	if data == "" {
		data = filepath.Join(os.Getenv("HOME"), ".local", "share")
	}
	return filepath.Join(data, "minirun")
}

// Rootless says that this process is not root of the machine: another user, or
// root in a user namespace.
func Rootless() bool {
	if os.Geteuid() != 0 {
		return true
	}
	text, err := os.ReadFile("/proc/self/uid_map")
	return err == nil && strings.Join(strings.Fields(string(text)), " ") != "0 0 4294967295"
}

// ErrNotFound is the cause when the store has no such image.
var ErrNotFound = errors.New("no such image")

// ErrNotUnpacked is the cause when an image is there and not all of its layers
// are unpacked.
var ErrNotUnpacked = errors.New("not unpacked yet")

// maxDocument bounds what is read into memory of manifests, configurations and
// indexes.
const maxDocument = 8 << 20

// An Image is one image for one platform, as the store has it.
type Image struct {
	Name     string         // as in index.json; "" if it was named by its digest
	Target   oci.Descriptor // what the name stands for: a manifest, or an index of several
	Desc     oci.Descriptor // the manifest
	Manifest oci.Manifest
	Config   docker.DockerOCIImage
}

// ID is the digest of the configuration, which is what `images` and Docker show.
func (i *Image) ID() string { return i.Manifest.Config.Digest.String() }

// Blob is the path of the blob of this digest.
func (s *Store) Blob(digest string) string {
	return filepath.Join(s.Dir, "blobs", "sha256", strings.TrimPrefix(digest, digestStart))
}

// Index reads index.json: which names there are. A store that does not exist
// has none.
func (s *Store) Index() (*oci.Index, error) {
	var index oci.Index
	err := readDocument(filepath.Join(s.Dir, "index.json"), &index)
	if errors.Is(err, fs.ErrNotExist) {
		return &index, nil
	}
	return &index, err
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

// document reads the blob of a descriptor, which is JSON.
func (s *Store) document(d oci.Descriptor, into any) error {
	if err := CheckDigest(d.Digest.String()); err != nil {
		return err
	}
	return readDocument(s.Blob(d.Digest.String()), into)
}

// Find looks for what people may call an image: its name, its digest, or the
// beginning of its ID (12 digits are what `images` shows).
func (s *Store) Find(text string) (oci.Descriptor, string, error) {
	index, err := s.Index()
	if err != nil {
		return oci.Descriptor{}, "", err
	}
	name, bad := ParseName(text)
	if bad == nil {
		full := name.String()
		for _, d := range index.Manifests {
			if ref := d.Annotations[oci.AnnotationRefName]; ref == full || name.Digest != "" && d.Digest.String() == name.Digest && sameRepository(ref, name) {
				return d, ref, nil
			}
		}
	}
	if d, ok, err := s.byID(index, text); ok || err != nil {
		return d, "", err
	}
	if bad != nil {
		return oci.Descriptor{}, "", bad
	}
	return oci.Descriptor{}, "", fmt.Errorf("%w: %s", ErrNotFound, name)
}

func sameRepository(ref string, name Name) bool {
	n, err := ParseName(ref)
	return err == nil && n.Registry == name.Registry && n.Repository == name.Repository
}

// shortID is how many digits of an ID must be given at least.
const shortID = 4

// byID finds an image by the beginning of its ID or of its digest.
func (s *Store) byID(index *oci.Index, text string) (found oci.Descriptor, ok bool, err error) {
	hex := strings.TrimPrefix(text, digestStart)
	if len(hex) < shortID || strings.Trim(hex, digits+"abcdef") != "" {
		return found, false, nil
	}
	for _, d := range index.Manifests {
		match := strings.HasPrefix(d.Digest.Encoded(), hex)
		if image, err := s.Load(d, ""); err == nil && strings.HasPrefix(image.Manifest.Config.Digest.Encoded(), hex) {
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

// Open finds an image and reads its manifest and configuration for this machine's
// platform.
func (s *Store) Open(text string) (*Image, error) {
	d, name, err := s.Find(text)
	if err != nil {
		return nil, err
	}
	image, err := s.Load(d, name)
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", text, err)
	}
	return image, nil
}

// Load reads the manifest and configuration that a descriptor stands for.
func (s *Store) Load(d oci.Descriptor, name string) (*Image, error) {
	image := &Image{Name: name, Target: d, Desc: d}
	if IsIndex(d.MediaType) {
		var index oci.Index
		if err := s.document(d, &index); err != nil {
			return nil, err
		}
		var err error
		if image.Desc, err = choose(index.Manifests); err != nil {
			return nil, err
		}
	}
	if err := s.document(image.Desc, &image.Manifest); err != nil {
		return nil, err
	}
	if err := s.document(image.Manifest.Config, &image.Config); err != nil {
		return nil, err
	}
	return image, nil
}

// IsIndex says whether a media type is that of an index: a list of manifests.
func IsIndex(mediaType string) bool {
	return mediaType == oci.MediaTypeImageIndex || mediaType == "application/vnd.docker.distribution.manifest.list.v2+json"
}

// choose takes the manifest for this machine. What is more exact (a variant of
// the processor) is for pull, which stores only what was asked for.
func choose(manifests []oci.Descriptor) (oci.Descriptor, error) {
	for _, m := range manifests {
		if p := m.Platform; p != nil && p.OS == "linux" && p.Architecture == runtime.GOARCH {
			return m, nil
		}
	}
	for _, m := range manifests { // the only one: it is what was asked for
		if len(manifests) == 1 {
			return m, nil
		}
	}
	return oci.Descriptor{}, fmt.Errorf("no manifest for linux/%s among %d", runtime.GOARCH, len(manifests))
}

// Layer is the directory of an unpacked layer. Half of the chain's digest names
// it: before Linux 6.8 the names of all layers must fit into a page.
func (s *Store) Layer(chain string) string {
	return filepath.Join(s.Dir, "layers", strings.TrimPrefix(chain, digestStart)[:32])
}

// Layers are the directories of an image's unpacked layers, lowest first.
func (s *Store) Layers(i *Image) ([]string, error) {
	text, err := os.ReadFile(s.Unpacked(i.ID()))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", ErrNotUnpacked, i.ID())
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
