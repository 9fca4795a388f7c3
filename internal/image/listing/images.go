// Package listing prints what is in the store: images, the instructions that created one, and its
// layers.
//
//	images.go   images
//	history.go  an image's instructions
//	layers.go   an image's layers, and what they change
package listing

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/docker/go-units"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/formatter"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/store"
	"github.com/minirun/minirun/internal/termtext"
)

// An Image is a line of `images`.
type Image struct {
	Name     string        `json:"name,omitempty"`
	ID       string        `json:"id"`
	Digest   string        `json:"digest"`
	Created  *time.Time    `json:"created,omitempty"`
	Size     int64         `json:"size"` // total of the blobs
	Layers   int           `json:"layers"`
	Unpacked bool          `json:"unpacked"`
	Platform *oci.Platform `json:"platform,omitempty"`
}

// Images returns the images with a name, which may omit the tag; "" selects all images.
func Images(s *store.Store, name string) ([]Image, error) {
	index, err := s.Index()
	if err != nil {
		return nil, err
	}
	list := []Image{}
	for _, d := range index.Manifests {
		full := d.Annotations[oci.AnnotationRefName]
		if name != "" && !matches(full, name) {
			continue
		}
		i, err := s.Load(d, full)
		if err != nil {
			return nil, fmt.Errorf("image %s: %w", d.Digest, err)
		}
		list = append(list, describe(s, i))
	}
	return list, nil
}

// matches reports whether an image's full name is the wanted one. Any tag matches if want has none.
func matches(name, want string) bool {
	n, err := image.ParseName(name)
	w, err2 := image.ParseName(want)
	if err != nil || err2 != nil {
		return false
	}
	hasTag := strings.Contains(want[strings.LastIndexByte(want, '/')+1:], ":")
	return n.Registry == w.Registry && n.Repository == w.Repository && (n.Tag == w.Tag || !hasTag)
}

// describe returns the line for an image.
func describe(s *store.Store, i *store.Image) Image {
	l := Image{
		Name: i.Name, ID: i.ID(), Digest: i.Target.Digest.String(), Created: i.Config.Created, Size: i.Desc.Size +
			i.Manifest.Config.Size,
		Layers: len(i.Manifest.Layers), Platform: &i.Config.Platform,
	}
	for _, b := range i.Manifest.Layers {
		l.Size += b.Size
	}
	_, err := s.Layers(i.ID())
	l.Unpacked = err == nil
	return l
}

// shortID returns the first 12 digits of a digest, as in docker.
func shortID(id string) string { return strings.TrimPrefix(id, "sha256:")[:12] }

// WriteIDs writes the IDs of images, one a line.
func WriteIDs(w io.Writer, list []Image, full bool) {
	for _, l := range list {
		termtext.Fprintln(w, abbreviated(l.ID, full))
	}
}

func abbreviated(id string, full bool) string {
	if full {
		return id
	}
	return shortID(id)
}

// WriteImages writes a table of images.
func WriteImages(w io.Writer, list []Image, fullIDs bool) error {
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	termtext.Fprintf(table, "NAME\tID\tCREATED\tLAYERS\tSIZE\n")
	for _, l := range list {
		name := "<none>"
		if n, err := image.ParseName(l.Name); err == nil {
			name = n.Familiar()
		}
		size := units.HumanSize(float64(l.Size))
		termtext.Fprintf(table, "%s\t%s\t%s\t%d\t%s\n", name, abbreviated(l.ID, fullIDs),
			formatter.FormatAge(l.Created), l.Layers, size)
	}
	return table.Flush()
}
