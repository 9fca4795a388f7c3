package dockerfile

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/util/suggest"
)

// This file adds suggestions to BuildKit's errors: what the user probably meant.

// explained adds to a parser error what its line looks like.
func explained(err error, text []byte) error {
	var unknown *instructions.UnknownInstructionError
	if errors.As(err, &unknown) {
		err = fmt.Errorf("dockerfile parse error on line %d: %w", unknown.Line, err)
		if line := continues(text, unknown.Line); line > 0 {
			return fmt.Errorf("%w: if it belongs to the instruction in line %d, each line but the last of that must end with a backslash", err, line)
		}
	}
	if strings.Contains(err.Error(), "no build stage in current context") {
		return fmt.Errorf("%w: only ARG may stand before the first FROM", err)
	}
	return err
}

// continues returns the line that a line probably continues: the previous one, if this one is
// indented or if that one ends like an unfinished command. 0 is none.
func continues(text []byte, line int) int {
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

// meant asks whether the user meant a stage with a name similar to an unknown one.
func (f *File) meant(name string, before int) string {
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
