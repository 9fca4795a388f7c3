package imagetools

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/transfer"
	"github.com/minirun/minirun/internal/retry"
)

// A Request describes the image to create.
type Request struct {
	Options
	Sources []Source
	Tags    []image.Name
	Append  bool // to the image that the tags refer to
}

// A Creation image can be pushed.
type Creation struct {
	Result
	from map[digest.Digest]transfer.Source // by digest of the result or of what it refers to
}

// Create reads the sources and combines them. It writes nothing.
func (r Resolver) Create(ctx context.Context, q Request) (*Creation, error) {
	sources := q.Sources
	if q.Append {
		sources = nil
		for _, t := range q.Tags {
			sources = append(sources, Source{Text: t.String(), Name: t})
		}
		sources = append(sources, q.Sources...)
	}
	if len(q.Sources) == 0 {
		return nil, errors.New("no source is given")
	}
	if err := Infer(sources, q.Tags); err != nil {
		return nil, err
	}
	made := &Creation{from: map[digest.Digest]transfer.Source{}}
	var parts []Part
	for _, s := range sources {
		p, err := r.Resolve(ctx, s)
		if err != nil {
			return nil, err
		}
		parts = append(parts, p.Part)
		made.add(p)
	}
	copied, err := CopyUnchanged(parts, q.Options)
	if err != nil {
		return nil, err
	}
	if copied != nil {
		made.Result = *copied
		return made, nil
	}
	list, err := Flatten(parts, q.Platforms)
	if err != nil {
		return nil, err
	}
	if list, err = made.withAttestations(ctx, list); err != nil {
		return nil, err
	}
	combined, err := Combine(parts, list, q.Options)
	if err != nil {
		return nil, err
	}
	made.Result = *combined
	return made, nil
}

// add records where to read a part, and what an index refers to.
func (n *Creation) add(p Resolved) {
	all := []oci.Descriptor{p.Descriptor}
	if p.Index != nil {
		all = append(all, p.Index.Manifests...)
	}
	for _, d := range all {
		if n.from[d.Digest] == nil {
			n.from[d.Digest] = p.From
		}
	}
}

// withAttestations adds the attestations that the registries have for the images.
func (n *Creation) withAttestations(ctx context.Context, list []oci.Descriptor) ([]oci.Descriptor, error) {
	for _, about := range Unattested(list) {
		from := n.from[about.Digest]
		d, err := attestationOf(ctx, from, about)
		if err != nil {
			return nil, err
		}
		if d != nil {
			n.from[d.Digest] = from
			list = append(list, *d)
		}
	}
	return list, nil
}

// A Display shows progress, with one step for each repository.
type Display interface {
	Begin(id int, name string)
	Output(id int, p []byte)
	Count(id int, what string, done, total int64)
	End(id int, cached bool, err error)
}

// Push copies what the image refers to into the repositories of the tags, and writes the image
// under each tag.
func (n *Creation) Push(ctx context.Context, registries transfer.Registries, tags []image.Name, jobs int,
	show Display) error {
	var order []image.Name
	of := map[image.Name][]string{}
	for _, t := range tags {
		tag := t.Tag
		if tag == "" || t.Digest != "" {
			return fmt.Errorf("tag %s: must be NAME[:TAG], not a digest", t)
		}
		t.Tag = ""
		if of[t] == nil {
			order = append(order, t)
		}
		of[t] = append(of[t], tag)
	}
	for id, repository := range order {
		s := &step{id: id, show: show}
		show.Begin(id, "[internal] pushing "+repository.String())
		err := n.push(retry.WithLines(ctx, func(line []byte) { show.Output(id, line) }), registries, repository,
			of[repository], jobs, s)
		show.End(id, false, err)
		if err != nil {
			return fmt.Errorf("push %s: %w", repository, err)
		}
	}
	return nil
}

func (n *Creation) push(ctx context.Context, registries transfer.Registries, to image.Name, tags []string, jobs int,
	s *step) error {
	var sources []transfer.Source
	for _, f := range n.from {
		sources = append(sources, f)
	}
	target, err := registries.Target(ctx, to, sources, jobs, s)
	if err != nil {
		return err
	}
	parts := n.Manifests
	if parts == nil {
		parts = []oci.Descriptor{n.Descriptor}
	}
	for _, d := range parts {
		s.printf("copying %s to %s", d.Digest, to)
		if err := target.Copy(ctx, n.from[d.Digest], oci.Descriptor{MediaType: d.MediaType, Digest: d.Digest,
			Size: d.Size}); err != nil {
			return err
		}
	}
	for _, tag := range tags {
		s.printf("pushing %s to %s:%s", n.Descriptor.Digest, to, tag)
		if err := target.Put(ctx, tag, n.Descriptor, n.Document); err != nil {
			return err
		}
	}
	return nil
}

// step shows the copies into one repository.
type step struct {
	id   int
	show Display
}

func (s *step) printf(format string, args ...any) {
	s.show.Output(s.id, []byte(strings.TrimSpace(fmt.Sprintf(format, args...))+"\n"))
}

// Begin implements transfer.Progress.
func (s *step) Begin(task string, size int64) (more func(int64), done func(error)) {
	return transfer.Count(func(task string, done, total int64) { s.show.Count(s.id, task, done, total) }).Begin(task,
		size)
}
