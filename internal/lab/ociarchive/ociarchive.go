// Package ociarchive reads what is in the layers of an image: of an OCI image layout in an archive, which
// `minirun save` and builds write. The labs ask it, since a list of an image's files does not show what
// a layer hides.
package ociarchive

import (
	"archive/tar"
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/compression"
)

// An Archive is an image that was written by `minirun save` or by a build, in a directory of the check.
type Archive struct{ Dir string }

// Open extracts an archive's blobs to a directory below work.
func Open(file, work string) (*Archive, error) {
	defer func() { _ = os.Remove(file) }()
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	dir, err := os.MkdirTemp(work, "archive-")
	if err != nil {
		return nil, err
	}
	for t := tar.NewReader(f); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return &Archive{dir}, nil
		}
		if err != nil {
			return nil, err
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		out, err := os.Create(filepath.Join(dir, path.Base(h.Name))) // digests are names without directories
		if err != nil {
			return nil, err
		}
		_, err = io.Copy(out, t)
		if err := errors.Join(err, out.Close()); err != nil {
			return nil, err
		}
	}
}

func (a *Archive) blob(digest string) string {
	return filepath.Join(a.Dir, path.Base(strings.TrimPrefix(digest, "sha256:")))
}

func (a *Archive) read(name string, to any) error {
	data, err := os.ReadFile(filepath.Join(a.Dir, path.Base(name)))
	if err != nil {
		return err
	}
	return json.Unmarshal(data, to)
}

// An Image is an image for one platform.
type Image struct {
	Platform string   // linux/arm64
	layers   []string // their files, from the lowest
}

// Images returns the archive's image for each platform, without attestations.
func (a *Archive) Images() ([]Image, error) {
	var index ocispec.Index
	if err := a.read("index.json", &index); err != nil {
		return nil, err
	}
	return a.below(index.Manifests)
}

func (a *Archive) below(list []ocispec.Descriptor) (out []Image, err error) {
	for _, d := range list {
		if d.MediaType == ocispec.MediaTypeImageIndex || strings.HasSuffix(d.MediaType, "manifest.list.v2+json") {
			var index ocispec.Index
			if err := a.read(a.blob(string(d.Digest)), &index); err != nil {
				return nil, err
			}
			more, err := a.below(index.Manifests)
			if err != nil {
				return nil, err
			}
			out = append(out, more...)
			continue
		}
		if d.Annotations["vnd.docker.reference.type"] != "" {
			continue
		}
		var m ocispec.Manifest
		if err := a.read(a.blob(string(d.Digest)), &m); err != nil {
			return nil, err
		}
		var config ocispec.Image
		if err := a.read(a.blob(string(m.Config.Digest)), &config); err != nil {
			return nil, err
		}
		p := Image{Platform: config.OS + "/" + config.Architecture}
		for _, l := range m.Layers {
			p.layers = append(p.layers, a.blob(string(l.Digest)))
		}
		out = append(out, p)
	}
	return out, nil
}

// walk calls a function for each entry of all layers, from the lowest layer.
func (p *Image) walk(visit func(layer int, h *tar.Header, content io.Reader) error) error {
	for i, file := range p.layers {
		if err := walkLayer(file, func(h *tar.Header, content io.Reader) error { return visit(i, h, content) }); err != nil {
			return fmt.Errorf("layer %d: %w", i+1, err)
		}
	}
	return nil
}

func walkLayer(file string, visit func(h *tar.Header, content io.Reader) error) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	plain, _, release, err := compression.Open(bufio.NewReader(f))
	if err != nil {
		return err
	}
	defer release()
	for t := tar.NewReader(plain); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		h.Name = path.Join("/", h.Name)
		if err := visit(h, t); err != nil {
			return err
		}
	}
}

// Size returns the size of the files in all layers.
func (p *Image) Size() (total int64, err error) {
	err = p.walk(func(_ int, h *tar.Header, _ io.Reader) error {
		if h.Typeflag == tar.TypeReg {
			total += h.Size
		}
		return nil
	})
	return total, err
}

// Matching returns the first path in any layer, whether or not a layer above removes it, that matches a
// pattern: of its name, or of the whole path if the pattern begins with a slash.
func (p *Image) Matching(patterns []string) (found string, layer int, err error) {
	err = p.walk(func(i int, h *tar.Header, _ io.Reader) error {
		for _, pattern := range patterns {
			name := path.Base(h.Name)
			if strings.HasPrefix(pattern, "/") {
				name = h.Name
			}
			if ok, err := path.Match(pattern, name); found == "" && (ok || err != nil) {
				found, layer = h.Name, i+1
				return err
			}
		}
		return nil
	})
	return found, layer, err
}

// longestText is the most that is read of a file.
const longestText = 1 << 20

// Content returns the text of the file whose path ends with these words, as a container sees it; "" without one.
func (p *Image) Content(suffix string) (text string, err error) {
	err = p.walk(func(_ int, h *tar.Header, content io.Reader) error {
		dir, name := path.Split(suffix)
		switch {
		case strings.HasSuffix(h.Name, "/"+dir+".wh."+name):
			text = ""
		case h.Typeflag == tar.TypeReg && strings.HasSuffix(h.Name, "/"+suffix):
			data, err := io.ReadAll(io.LimitReader(content, longestText))
			text = string(data)
			return err
		}
		return nil
	})
	return text, err
}
