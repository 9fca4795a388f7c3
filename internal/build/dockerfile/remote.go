package dockerfile

import (
	"fmt"
	"slices"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"github.com/minirun/minirun/internal/build/graph"
)

// GlobalArg returns the value of a global ARG, if it is declared.
func (f *File) GlobalArg(o Options, name string) (value string, declared bool, err error) {
	declared = slices.ContainsFunc(f.global, func(c instructions.ArgCommand) bool {
		return slices.ContainsFunc(c.Args, func(a instructions.KeyValuePairOptional) bool { return a.Key == name })
	})
	if !declared {
		return "", false, nil
	}
	b, _, err := f.newBuilder(o)
	if err != nil {
		return "", false, err
	}
	value, _ = b.globals.arg(name)
	return value, true, nil
}

// A Remote is a source that ADD fetches.
type Remote struct{ URL, Checksum string }

// RemoteStage returns the source fetched by a stage that does nothing else: FROM scratch, ARG,
// and one ADD of one URL or git repository.
func (f *File) RemoteStage(o Options, name string) (remote Remote, exists bool, err error) {
	i := slices.IndexFunc(f.stages, func(s instructions.Stage) bool { return s.Name == name })
	if i < 0 {
		return Remote{}, false, nil
	}
	b, _, err := f.newBuilder(o)
	if err != nil {
		return Remote{}, true, err
	}
	add, err := findOnlyAdd(&b.file.stages[i])
	if err != nil {
		return Remote{}, true, quoteLines(parser.WithLocation(err, f.stages[i].Location), o.Name, f.Text)
	}
	stage, err := b.convertStage(i)
	if err != nil {
		return Remote{}, true, quoteLines(err, o.Name, f.Text)
	}
	op := stage.Nodes[add+1].Op.(*graph.Copy)
	if len(op.Sources) != 1 || op.Sources[0].URL == "" {
		return Remote{}, true, fmt.Errorf("the ADD of stage %s must have one source, a URL or git repository", name)
	}
	return Remote{op.Sources[0].URL, op.Checksum}, true, nil
}

// sourceOnlyError is the beginning of errors about a stage that has no time, as in BuildKit.
const sourceOnlyError = "SOURCE_DATE_EPOCH stage does not meet source-only requirements"

// findOnlyAdd finds the ADD of a stage whose other instructions are all ARG.
func findOnlyAdd(s *instructions.Stage) (index int, err error) {
	if s.BaseName != scratch {
		return 0, fmt.Errorf("%s: stage %s must begin with FROM scratch", sourceOnlyError, s.Name)
	}
	index = -1
	for i, c := range s.Commands {
		switch c.(type) {
		case *instructions.ArgCommand:
		case *instructions.AddCommand:
			if index >= 0 {
				return 0, fmt.Errorf("%s: stage %s must have exactly one ADD", sourceOnlyError, s.Name)
			}
			index = i
		default:
			return 0, fmt.Errorf("%s: stage %s must consist of one ADD, but it also has %s", sourceOnlyError, s.Name, c.Name())
		}
	}
	if index < 0 {
		return 0, fmt.Errorf("%s: stage %s must have an ADD of a URL or git repository", sourceOnlyError, s.Name)
	}
	return index, nil
}
