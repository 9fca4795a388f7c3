package images

import (
	"archive/tar"
	"bufio"
	"context"
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
	"github.com/minirun/minirun/internal/lab/scene"
)

// An ociArchive is an image that was written by `minirun save` or by a build, in a directory of the check.
type ociArchive struct{ dir string }

// export writes an image of the lab's store for a check.
func export(ctx context.Context, s *scene.Scene, name string) (*ociArchive, error) {
	file := filepath.Join(s.Work, "image.tar")
	if _, err := minirun(ctx, s, "save", "-q", "-o", file, name); err != nil {
		return nil, err
	}
	return openArchive(file, s.Work)
}

// openArchive extracts an archive's blobs to a directory below work.
func openArchive(file, work string) (*ociArchive, error) {
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
			return &ociArchive{dir}, nil
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

func (a *ociArchive) blob(digest string) string {
	return filepath.Join(a.dir, path.Base(strings.TrimPrefix(digest, "sha256:")))
}

func (a *ociArchive) read(name string, to any) error {
	data, err := os.ReadFile(filepath.Join(a.dir, path.Base(name)))
	if err != nil {
		return err
	}
	return json.Unmarshal(data, to)
}

// A platformImage is an image for one platform, with its layers from the lowest.
type platformImage struct {
	archive  *ociArchive
	platform string // linux/arm64
	config   ocispec.Image
	texts    []string // the files of the manifest and of the configuration
	layers   []string // files
}

// images returns the archive's image for each platform, without attestations.
func (a *ociArchive) images() ([]platformImage, error) {
	var index ocispec.Index
	if err := a.read("index.json", &index); err != nil {
		return nil, err
	}
	return a.below(index.Manifests)
}

func (a *ociArchive) below(list []ocispec.Descriptor) (out []platformImage, err error) {
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
		p := platformImage{archive: a, texts: []string{a.blob(string(d.Digest)), a.blob(string(m.Config.Digest))}}
		if err := a.read(p.texts[1], &p.config); err != nil {
			return nil, err
		}
		p.platform = p.config.OS + "/" + p.config.Architecture
		for _, l := range m.Layers {
			p.layers = append(p.layers, a.blob(string(l.Digest)))
		}
		out = append(out, p)
	}
	return out, nil
}

// walk calls a function for each entry of all layers, from the lowest layer.
func (p *platformImage) walk(visit func(layer int, h *tar.Header, content io.Reader) error) error {
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

// size returns the size of the files in all layers.
func (p *platformImage) size() (total int64, err error) {
	err = p.walk(func(_ int, h *tar.Header, _ io.Reader) error {
		if h.Typeflag == tar.TypeReg {
			total += h.Size
		}
		return nil
	})
	return total, err
}

// matching returns the first path in any layer, whether or not a layer above removes it, that matches a
// pattern: of its name, or of the whole path if the pattern begins with a slash.
func (p *platformImage) matching(patterns []string) (found string, layer int, err error) {
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

// content returns the text of the file whose path ends with these words, as a container sees it; "" without one.
func (p *platformImage) content(suffix string) (text string, err error) {
	err = p.walk(func(_ int, h *tar.Header, content io.Reader) error {
		dir, name := path.Split(suffix)
		switch {
		case strings.HasSuffix(h.Name, "/"+dir+".wh."+name):
			text = ""
		case h.Typeflag == tar.TypeReg && strings.HasSuffix(h.Name, "/"+suffix):
			data, err := io.ReadAll(io.LimitReader(content, scene.LongestFile))
			text = string(data)
			return err
		}
		return nil
	})
	return text, err
}
