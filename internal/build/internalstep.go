package build

import (
	"context"
	"fmt"
	"path"
	"sync/atomic"

	"github.com/docker/go-units"

	"github.com/minirun/minirun/internal/build/progress"
	"github.com/minirun/minirun/internal/retry"
)

// An internalStep does not correspond to an instruction. It is shown as in buildx:
// "[internal] load metadata for …". It implements transfer.Progress.
type internalStep struct {
	sink progress.Sink
	id   int
}

// firstInternal is the first number of internal steps; instructions have lower numbers.
const firstInternal = 1 << 21

func (b *Builder) beginInternal(what string) *internalStep {
	s := &internalStep{b.Sink, firstInternal + int(b.internals.Add(1))}
	b.Sink.Begin(s.id, "[internal] "+what)
	return s
}

// print shows text as the output of the step.
func (s *internalStep) print(text []byte) { s.sink.Output(s.id, text) }

func (s *internalStep) end(err error) { s.sink.End(s.id, false, err) }

// Begin implements transfer.Progress.
func (s *internalStep) Begin(what string, size int64) (func(int64), func(error)) {
	var done atomic.Int64
	s.sink.Count(s.id, what, 0, size)
	return func(n int64) { s.sink.Count(s.id, what, done.Add(n), size) }, func(error) {}
}

// loadInputs opens the contexts and reads the Dockerfile, and shows this in the progress. A context
// is not transferred: steps read it in place.
func (b *Builder) loadInputs(ctx context.Context, o *Options) (*inputs, error) {
	name := "Dockerfile"
	if o.File != "" {
		name = path.Base(o.File)
	}
	s := b.beginInternal("load build definition from " + name)
	in, err := b.openInputs(retry.WithLines(ctx, s.print), o)
	if err == nil {
		b.Sink.Note(s.id, fmt.Sprintf("reading dockerfile: %s", units.HumanSize(float64(len(in.text)))))
	}
	s.end(err)
	return in, err
}
