package build

import (
	"context"
	"fmt"
	"path"

	"github.com/docker/go-units"

	"github.com/minirun/minirun/internal/image/transfer"
	"github.com/minirun/minirun/internal/retry"
)

// An internal step does not correspond to an instruction. It is shown as in buildx:
// "[internal] load metadata for …". It implements transfer.Progress.
type internal struct {
	b  *Builder
	id int
}

// firstInternal is the first number of internal steps; instructions have lower numbers.
const firstInternal = 1 << 21

func (b *Builder) begin(what string) *internal {
	s := &internal{b, firstInternal + int(b.internals.Add(1))}
	b.Sink.Begin(s.id, "[internal] "+what)
	return s
}

// print shows text as the output of the step.
func (s *internal) print(text []byte) { s.b.Sink.Output(s.id, text) }

func (s *internal) end(err error) { s.b.Sink.End(s.id, false, err) }

// Begin implements transfer.Progress.
func (s *internal) Begin(task string, size int64) (func(int64), func(error)) {
	count := func(task string, done, total int64) { s.b.Sink.Count(s.id, task, done, total) }
	return transfer.Count(count).Begin(task, size)
}

// load opens the contexts and reads the Dockerfile, and shows this in the progress. A context
// is not transferred: steps read it in place.
func (b *Builder) load(ctx context.Context, o *Options) (*inputs, error) {
	name := "Dockerfile"
	if o.File != "" {
		name = path.Base(o.File)
	}
	s := b.begin("load build definition from " + name)
	in, err := b.open(retry.WithLines(ctx, s.print), o)
	if err == nil {
		b.Sink.Note(s.id, fmt.Sprintf("reading dockerfile: %s", units.HumanSize(float64(len(in.text)))))
	}
	s.end(err)
	return in, err
}
