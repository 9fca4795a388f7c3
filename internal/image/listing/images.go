// Package listing prints what is in the store: images, the instructions that created one, and its
// layers.
//
//	images.go   images; filter.go: which of them
//	unused.go   the images that prune --all removes
//	history.go  an image's instructions
//	layers.go   an image's layers, and what they change
package listing

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
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
	Size     int64         `json:"size,omitempty"` // of the files in its layers, if these are unpacked
	Packed   int64         `json:"packed"`         // total of the blobs
	Layers   int           `json:"layers"`
	Unpacked bool          `json:"unpacked"`
	Platform *oci.Platform `json:"platform,omitempty"`
}

// Images returns the images with a name, which may omit the tag or be a pattern, and that a filter
// selects, newest first. "" selects all names.
func Images(s *store.Store, name string, filter Filter) ([]Image, error) {
	index, err := s.Index()
	if err != nil {
		return nil, err
	}
	list := []Image{}
	for _, d := range index.Manifests {
		full := d.Annotations[oci.AnnotationRefName]
		if name != "" && !matches(full, name) && !matchesAny(full, []string{name}) {
			continue
		}
		i, err := s.Load(d, full)
		if err != nil {
			return nil, fmt.Errorf("image %s: %w", d.Digest, err)
		}
		if filter(i) {
			list = append(list, describe(s, i))
		}
	}
	slices.SortStableFunc(list, func(a, b Image) int {
		if a.Created == nil || b.Created == nil {
			return cmp.Compare(boolToInt(a.Created == nil), boolToInt(b.Created == nil))
		}
		return b.Created.Compare(*a.Created)
	})
	return list, nil
}

func boolToInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// matches reports whether an image's full name is the wanted one. Any tag matches if want has none.
func matches(name, want string) bool {
	n, err := image.ParseName(name)
	w, err2 := image.ParseName(want)
	if err != nil || err2 != nil {
		return false
	}
	return n.Registry == w.Registry && n.Repository == w.Repository && (n.Tag == w.Tag || !HasTag(want))
}

// HasTag reports whether a name was given with a tag.
func HasTag(text string) bool {
	return strings.Contains(text[strings.LastIndexByte(text, '/')+1:], ":")
}

// describe returns the line for an image.
func describe(s *store.Store, i *store.Image) Image {
	l := Image{
		Name: i.Name, ID: i.ID(), Digest: i.Target.Digest.String(), Created: i.Config.Created, Packed: i.BlobSize(),
		Layers: len(i.Manifest.Layers), Platform: &i.Config.Platform,
	}
	var sizes []int64
	sizes, l.Unpacked = s.LayerSizes(i)
	for _, n := range sizes {
		l.Size += n
	}
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

// An ImageStyle selects how images are printed.
type ImageStyle struct {
	Format  string // table, or docker's table TEMPLATE or TEMPLATE
	FullIDs bool
	Digests bool // as another column of the table
	Width   int  // of the terminal, into which names are shortened; 0 for no limit
}

// WriteImages writes images in a table or with a template.
func WriteImages(w io.Writer, list []Image, style ImageStyle) error {
	headers := map[string]string{
		"Name": "NAME", "Repository": "REPOSITORY", "Tag": "TAG", "ID": "ID", "Digest": "DIGEST",
		"CreatedSince": "CREATED", "CreatedAt": "CREATED AT", "Layers": "LAYERS", "Size": "SIZE", "Packed": "PACKED",
		"Platform": "PLATFORM",
	}
	rows := []formatter.Row{}
	for _, l := range list {
		rows = append(rows, imageRow(l, style.FullIDs))
	}
	format := style.Format
	if format == "table" {
		digest := ""
		if style.Digests {
			digest = `{{.Digest}}\t`
		}
		format = `table {{.Name}}\t` + digest + `{{.ID}}\t{{.CreatedSince}}\t{{.Layers}}\t{{.Size}}`
		if style.Width > 0 && !style.Digests && !style.FullIDs {
			shortenNames(rows, style.Width)
		}
	}
	return formatter.Table{Headers: headers, Rows: rows}.Write(w, format)
}

// imageRow returns the values for a template.
func imageRow(l Image, fullIDs bool) formatter.Row {
	row := formatter.Row{
		"Name": none, "Repository": none, "Tag": none, "Digest": l.Digest, "ID": abbreviated(l.ID, fullIDs),
		"CreatedSince": formatter.FormatAge(l.Created), "CreatedAt": "-", "Layers": l.Layers,
		"Size": sizeText(l.Size, l.Packed, l.Unpacked), "Packed": units.HumanSize(float64(l.Packed)),
		"Platform": l.Platform.OS + "/" + l.Platform.Architecture,
	}
	if l.Created != nil {
		row["CreatedAt"] = l.Created.Local().Format("2006-01-02 15:04:05 -0700 MST")
	}
	if n, err := image.ParseName(l.Name); err == nil {
		row["Name"], row["Repository"], row["Tag"] = n.Familiar(), Repository(n), cmp.Or(n.Tag, none)
	}
	return row
}

// none is printed for an image without a name, as in docker.
const none = "<none>"

// sizeText returns the size of files or, if they are not unpacked, that of the blobs.
func sizeText(size, packed int64, unpacked bool) string {
	if unpacked {
		return units.HumanSize(float64(size))
	}
	return units.HumanSize(float64(packed)) + " packed"
}

// gap is the space between two columns.
const gap = 3

// shortenNames shortens the names of rows so that the table fits into a terminal.
func shortenNames(rows []formatter.Row, width int) {
	others := 0
	for _, column := range []string{"ID", "CreatedSince", "Layers", "Size"} {
		widest := len("LAYERS")
		for _, r := range rows {
			widest = max(widest, cellWidth(r[column]))
		}
		others += gap + widest
	}
	for _, r := range rows {
		name, _ := r["Name"].(string)
		r["Name"] = shortenMiddle(name, max(width-others, 12))
	}
}

// shortenMiddle leaves out the middle of a text: the end of a name has its tag.
func shortenMiddle(text string, most int) string {
	if len(text) <= most {
		return text
	}
	head := (most - 1) / 2
	return text[:head] + "…" + text[len(text)-(most-1-head):]
}
