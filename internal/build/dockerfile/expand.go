package dockerfile

import (
	"slices"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

// copyInstruction returns a copy whose variables can be expanded. Expand writes to the fields and
// slices of an instruction; the parsed Dockerfile stays unchanged for the other platforms. The
// flags of a RUN are parsed again each time that it is expanded.
func copyInstruction(c instructions.Command) instructions.Command {
	switch c := c.(type) {
	case *instructions.AddCommand:
		out := *c
		out.SourcesAndDest, out.ExcludePatterns = copySources(c.SourcesAndDest), slices.Clone(c.ExcludePatterns)
		return &out
	case *instructions.CopyCommand:
		out := *c
		out.SourcesAndDest, out.ExcludePatterns = copySources(c.SourcesAndDest), slices.Clone(c.ExcludePatterns)
		return &out
	case *instructions.EnvCommand:
		out := *c
		out.Env = slices.Clone(c.Env)
		return &out
	case *instructions.LabelCommand:
		out := *c
		out.Labels = slices.Clone(c.Labels)
		return &out
	case *instructions.ExposeCommand:
		out := *c
		out.Ports = slices.Clone(c.Ports)
		return &out
	case *instructions.VolumeCommand:
		out := *c
		out.Volumes = slices.Clone(c.Volumes)
		return &out
	case *instructions.UserCommand:
		out := *c
		return &out
	case *instructions.WorkdirCommand:
		out := *c
		return &out
	case *instructions.StopSignalCommand:
		out := *c
		return &out
	case *instructions.RunCommand:
		out := *c
		return &out
	}
	return c // has no variables
}

func copySources(s instructions.SourcesAndDest) instructions.SourcesAndDest {
	s.SourcePaths, s.SourceContents = slices.Clone(s.SourcePaths), slices.Clone(s.SourceContents)
	return s
}

// expandVariables replaces the variables of an instruction.
func (b *graphBuilder) expandVariables(s *stageBuilder, c instructions.Command) error {
	e := b.expander(&s.vars)
	if x, ok := c.(instructions.SupportsSingleWordExpansion); ok {
		if err := x.Expand(e.word); err != nil {
			return err
		}
	}
	if x, ok := c.(instructions.SupportsSingleWordExpansionRaw); ok { // here-documents: quotes in them are literal
		raw := *b.lex
		raw.SkipProcessQuotes = true
		e.lex = &raw
		return x.ExpandRaw(e.word)
	}
	return nil
}
