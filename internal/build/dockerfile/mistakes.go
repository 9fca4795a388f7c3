package dockerfile

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/util/suggest"
)

// This file adds suggestions to BuildKit's errors: the probable intention.

// addSuggestion adds to a parser error what its line looks like.
func addSuggestion(err error, text []byte) error {
	var unknown *instructions.UnknownInstructionError
	if errors.As(err, &unknown) {
		err = fmt.Errorf("dockerfile parse error on line %d: %w", unknown.Line, err)
		if line := continuedLine(text, unknown.Line); line > 0 {
			return fmt.Errorf(
				"%w\nhint: if it belongs to the instruction in line %d, "+
					"end each line of that instruction except the last with a backslash",
				err, line,
			)
		}
	}
	return err
}

// explainOrder adds a hint to an error about an instruction that stands before the first FROM.
func explainOrder(err error, ast *parser.Node) error {
	var at *Error
	var unknown *instructions.UnknownInstructionError
	if !errors.As(err, &at) || errors.As(err, &unknown) {
		return err
	}
	i := slices.IndexFunc(ast.Children, func(n *parser.Node) bool { return !strings.EqualFold(n.Value, "arg") })
	if i < 0 || strings.EqualFold(ast.Children[i].Value, "from") || ast.Children[i].StartLine != at.First {
		return err
	}
	at.Err = fmt.Errorf("%w\nhint: only ARG may precede the first FROM", at.Err)
	return at
}

// continuedLine returns the line that a line probably continues: the previous one, if this one is
// indented or if that one ends like an unfinished command. 0 is none.
func continuedLine(text []byte, line int) int {
	all := bytes.Split(text, []byte("\n"))
	if line < 2 || line > len(all) {
		return 0
	}
	here := all[line-1]
	indented := len(here) > 0 && (here[0] == ' ' || here[0] == '\t')
	for before := line - 1; before > 0; before-- {
		was := string(bytes.TrimSpace(all[before-1]))
		if was == "" || was[0] == '#' {
			continue
		}
		for _, end := range []string{"&&", "||", "|", ";"} {
			indented = indented || strings.HasSuffix(was, end)
		}
		if indented {
			return before
		}
		return 0
	}
	return 0
}

// suggestStage asks whether the user meant a stage with a name similar to an unknown one.
func (f *File) suggestStage(name string, before int) string {
	var names []string
	for _, s := range f.stages[:before] {
		if s.Name != "" {
			names = append(names, s.Name)
		}
	}
	if found, ok := suggest.Search(name, names, false); ok {
		return fmt.Sprintf(" (did you mean %s?)", found)
	}
	return ""
}
