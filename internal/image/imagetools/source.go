// Package imagetools combines images for several platforms into one index, and shows what is in a
// registry, like `docker buildx imagetools`.
//
//	source.go   sources named on the command line and in files (pure)
//	resolve.go  names → manifests and indexes, read from registries and image layouts
//	combine.go  manifests → one index (pure)
//	create.go   the new image, copied and pushed
//	inspect.go  an image's documents and attestations, for templates
//	print.go    the printed form (pure)
package imagetools

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/image"
)

// A Source names a manifest or an index.
type Source struct {
	Text       string          // as given
	Name       image.Name      // in a registry; without a registry, the repository is inferred
	Layout     string          // or in an image layout: DIR[:TAG]
	Descriptor *oci.Descriptor // fields to set in its descriptor
}

const layoutScheme = "oci-layout://"

// ParseSource parses a reference, a digest, a descriptor in JSON, or
// oci-layout://DIR[:TAG][@DIGEST].
func ParseSource(text string) (s Source, err error) {
	s.Text = strings.TrimSpace(text)
	switch {
	case strings.HasPrefix(s.Text, "{"):
		err = s.describe()
	case strings.HasPrefix(s.Text, layoutScheme):
		err = s.layout(strings.TrimPrefix(s.Text, layoutScheme))
	case image.CheckDigest(s.Text) == nil:
		s.Name.Digest = s.Text
	default:
		s.Name, err = image.ParseName(s.Text)
	}
	if err != nil {
		return s, fmt.Errorf("source %q: must be a reference, a digest, a descriptor in JSON or "+
			"oci-layout://DIR:TAG: %w", s.Text, err)
	}
	return s, nil
}

func (s *Source) describe() error {
	s.Descriptor = &oci.Descriptor{}
	if err := json.Unmarshal([]byte(s.Text), s.Descriptor); err != nil {
		return err
	}
	if s.Descriptor.Digest == "" {
		return errors.New("the descriptor has no digest")
	}
	s.Name.Digest = s.Descriptor.Digest.String()
	return image.CheckDigest(s.Name.Digest)
}

// layout parses a path with a tag. Both may contain colons, so openLayout splits them.
func (s *Source) layout(text string) error {
	text, digest, pinned := strings.Cut(text, "@")
	if pinned {
		if err := image.CheckDigest(digest); err != nil {
			return err
		}
		s.Name.Digest = digest
	}
	if text == "" {
		return errors.New("the directory is missing")
	}
	s.Layout = text
	return nil
}

// Infer completes sources that are digests or descriptors with the repository that the tags and the
// other sources have in common.
func Infer(sources []Source, tags []image.Name) error {
	var repositories []image.Name
	add := func(n image.Name) {
		n.Tag, n.Digest = "", ""
		if n.Registry != "" && !slices.Contains(repositories, n) {
			repositories = append(repositories, n)
		}
	}
	for _, t := range tags {
		add(t)
	}
	for _, s := range sources {
		add(s.Name)
	}
	for i := range sources {
		s := &sources[i]
		if s.Name.Registry != "" || s.Layout != "" {
			continue
		}
		switch len(repositories) {
		case 0:
			return fmt.Errorf("source %s: unknown repository, because there is no tag or other source\nhint: write "+
				"it as REPOSITORY@%s", s.Text, s.Name.Digest)
		case 1:
			s.Name.Registry, s.Name.Repository = repositories[0].Registry, repositories[0].Repository
		default:
			return fmt.Errorf("source %s: ambiguous repository, because the tags and sources are in %d "+
				"repositories\nhint: write it as REPOSITORY@%s", s.Text, len(repositories), s.Name.Digest)
		}
	}
	return nil
}
