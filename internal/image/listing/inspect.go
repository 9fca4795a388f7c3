package listing

import (
	"cmp"
	"slices"
	"strings"
	"time"

	docker "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/opencontainers/go-digest"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/store"
)

// An Inspected is an image as docker image inspect shows it: scripts use the names of its fields.
type Inspected struct {
	Id           string
	RepoTags     []string
	RepoDigests  []string
	Comment      string
	Created      string
	Author       string `json:",omitempty"`
	Config       *docker.DockerOCIImageConfig
	Architecture string
	Variant      string `json:",omitempty"`
	Os           string
	OsVersion    string `json:",omitempty"`
	Size         int64
	GraphDriver  GraphDriver
	RootFS       RootFS
	Metadata     Metadata
	Descriptor   oci.Descriptor
}

// GraphDriver has the directories of the unpacked layers. Data is empty if they are not unpacked.
type GraphDriver struct {
	Name string
	Data map[string]string
}

// RootFS has the digests of the uncompressed layers, lowest first.
type RootFS struct {
	Type   string
	Layers []digest.Digest
}

// Metadata has the time when the image got a name, which the store does not record.
type Metadata struct{ LastTagTime time.Time }

// Inspect returns an image with all its names. Size is that of the files in its layers or, if these
// are not unpacked, of the blobs.
func Inspect(s *store.Store, i *store.Image) (*Inspected, error) {
	index, err := s.Index()
	if err != nil {
		return nil, err
	}
	out := &Inspected{
		Id: i.ID(), RepoTags: []string{}, RepoDigests: []string{}, Author: i.Config.Author, Config: &i.Config.Config,
		Architecture: i.Config.Architecture, Variant: i.Config.Variant, Os: cmp.Or(i.Config.OS, "linux"),
		OsVersion: i.Config.OSVersion, GraphDriver: GraphDriver{Name: "overlay", Data: map[string]string{}},
		RootFS: RootFS{Type: "layers", Layers: i.Config.RootFS.DiffIDs}, Descriptor: i.Target,
	}
	if i.Config.Created != nil {
		out.Created = i.Config.Created.Format(time.RFC3339Nano)
	}
	if n := len(i.Config.History); n > 0 {
		out.Comment = i.Config.History[n-1].Comment
	}
	for _, d := range index.Manifests {
		n, err := image.ParseName(d.Annotations[oci.AnnotationRefName])
		if err != nil || d.Digest != i.Target.Digest {
			continue
		}
		if n.Tag != "" {
			out.RepoTags = append(out.RepoTags, strings.TrimSuffix(n.Familiar(), "@"+n.Digest))
		}
		if pinned := Repository(n) + "@" + d.Digest.String(); !slices.Contains(out.RepoDigests, pinned) {
			out.RepoDigests = append(out.RepoDigests, pinned)
		}
	}
	out.addLayers(s, i)
	return out, nil
}

// addLayers adds the size, and the directories of the layers as an overlay has them: the topmost one
// is separate.
func (out *Inspected) addLayers(s *store.Store, i *store.Image) {
	sizes, unpacked := s.LayerSizes(i)
	if !unpacked {
		out.Size = i.BlobSize()
		return
	}
	for _, n := range sizes {
		out.Size += n
	}
	dirs, err := s.Layers(i.ID())
	if err != nil || len(dirs) == 0 {
		return
	}
	slices.Reverse(dirs)
	out.GraphDriver.Data["UpperDir"] = dirs[0]
	if len(dirs) > 1 {
		out.GraphDriver.Data["LowerDir"] = strings.Join(dirs[1:], ":")
	}
}
