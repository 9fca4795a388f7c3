package solver

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/build/contenthash"
	"github.com/minirun/minirun/internal/build/graph"
	"github.com/minirun/minirun/internal/image"
)

// This file suggests corrections for a source that does not exist.

// addSourceHint adds such a suggestion to an error from selecting sources.
func (g *graphSolver) addSourceHint(n *graph.Node, source graph.Source, err error) error {
	op, isCopy := n.Op.(*graph.Copy)
	missing := missingSources(err)
	switch {
	case len(missing) == 0 && isCopy && looksLikeList(op.Words) && errors.Is(err, path.ErrBadPattern):
		return fmt.Errorf("%w\nhint: a list of paths is JSON, so its quotes are \"", err)
	case len(missing) == 0:
		return err
	case source.From != nil:
		return g.workdirHint(n, source, missing, err)
	case isCopy:
		return fmt.Errorf("%w%s", err, outsideContextHint(n.Instruction, op.Words.Sources, missing))
	}
	return err
}

// looksLikeList reports whether a COPY was probably actual as a list, ["SOURCE", "DEST"].
func looksLikeList(w graph.CopyWords) bool {
	return len(w.Sources) > 0 && strings.HasPrefix(w.Sources[0], "[")
}

// missingSources returns the missing sources in an error.
func missingSources(err error) (out []*contenthash.NotFoundError) {
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range several.Unwrap() {
			out = append(out, missingSources(e)...)
		}
		return out
	}
	var one *contenthash.NotFoundError
	if errors.As(err, &one) {
		return []*contenthash.NotFoundError{one}
	}
	return nil
}

// outsideContextHint handles sources that were expected outside the context.
func outsideContextHint(instruction string, sources []string, missing []*contenthash.NotFoundError) string {
	for _, word := range sources {
		for _, m := range missing {
			switch {
			case path.Join("/", word) != path.Join("/", m.Pattern):
			case word == ".." || strings.HasPrefix(word, "../"):
				return fmt.Sprintf("\nhint: %s is outside the context, which is all that %s can read. Build with a larger context "+
					"(minirun build -f DIR/Dockerfile ..),\nor name the directory (--build-context NAME=%s) and use %s --from=NAME",
					word, instruction, path.Dir(word), instruction)
			case strings.HasPrefix(word, "/") && len(m.Near) == 0 && !m.Ignored:
				return "\nhint: sources are relative to the context, even with a leading /; they are not paths of the host"
			}
		}
	}
	return ""
}

// A misplacedSource is a source that does not exist at its path, but does exist relative to the stage's
// WORKDIR. People often assume that the paths of --from are relative to it.
type misplacedSource struct {
	requested, actual string
	dir               bool
}

// workdirHint looks there, and suggests the corrected instruction, together with later
// instructions that contain the same mistake.
func (g *graphSolver) workdirHint(
	n *graph.Node, source graph.Source, missing []*contenthash.NotFoundError, err error,
) error {
	workdir := "/"
	if c := source.From.Config; c != nil && c.Config.WorkingDir != "" {
		workdir = c.Config.WorkingDir
	}
	if workdir == "/" || slices.ContainsFunc(missing, func(m *contenthash.NotFoundError) bool { return len(m.Near) > 0 }) {
		return err
	}
	from := "the image"
	if source.From.Stage != nil {
		from = "stage " + source.From.Stage.Label()
	}
	rule := fmt.Sprintf("hint: paths in --from begin at the root of %s, not at its WORKDIR %s", from, workdir)
	files := image.Stack(g.snapshotOf(source.From).dirs())
	found := findInWorkdir(files, workdir, source.Path)
	if found == nil {
		if strings.HasPrefix("/"+source.Path, workdir+"/") {
			return err
		}
		return fmt.Errorf("%w\n%s", err, rule)
	}
	if _, copies := n.Op.(*graph.Copy); !copies {
		return fmt.Errorf("%w\n%s, where the file is; write source=%s", err, rule, found.actual)
	}
	var lines []string
	directory := false
	for _, other := range n.Stage.Nodes {
		if op, copies := other.Op.(*graph.Copy); copies && other.ID >= n.ID && len(op.Sources) > 0 &&
			op.Sources[0].From == source.From {
			right, named := correctCopy(other, op, files, workdir)
			lines, directory = append(lines, right...), directory || named
		}
	}
	text := fmt.Sprintf("%s, where it is. Write instead:\n\n    %s\n", rule, strings.Join(lines, "\n    "))
	if directory {
		text += "\nCOPY of a directory copies its content, so the destination names the directory, too."
	}
	return fmt.Errorf("%w\n%s", err, text)
}

// findInWorkdir looks below WORKDIR for a source that does not exist at the root.
func findInWorkdir(files image.Stack, workdir, requested string) *misplacedSource {
	if file, _, err := files.Resolve("/" + requested); err == nil && file != "" {
		return nil
	}
	actual := path.Join(workdir, requested)
	file, st, err := files.Resolve(actual)
	if err != nil || file == "" {
		return nil
	}
	return &misplacedSource{requested, actual, st.Mode&unix.S_IFMT == unix.S_IFDIR}
}

// correctCopy returns a COPY with the intended paths. It is one line, or several, since each
// directory needs its own destination. The result is empty if none of the sources is lost.
func correctCopy(n *graph.Node, op *graph.Copy, files image.Stack, workdir string) (lines []string, named bool) {
	dest := op.Words.Dest
	var together []string
	any := false
	for _, s := range op.Sources {
		l := findInWorkdir(files, workdir, s.Path)
		if l == nil {
			together = append(together, "/"+strings.TrimPrefix(s.Path, "/"))
			continue
		}
		any = true
		into := strings.HasSuffix(op.Dest, "/")
		if !l.dir || !into || path.Base(strings.TrimSuffix(op.Dest, "/")) == path.Base(l.requested) {
			together = append(together, l.actual)
			continue
		}
		named = true
		lines = append(
			lines, formatCopy(n.Instruction, op.Words.Flags, l.actual, strings.TrimSuffix(dest, "/")+"/"+path.Base(l.requested)),
		)
	}
	if !any {
		return nil, false
	}
	if len(together) > 0 {
		lines = append(lines, formatCopy(n.Instruction, op.Words.Flags, append(together, dest)...))
	}
	return lines, named
}

// formatCopy formats a COPY with its flags and different paths.
func formatCopy(instruction string, flags []string, paths ...string) string {
	out := append([]string{instruction}, flags...)
	if slices.ContainsFunc(paths, func(p string) bool { return strings.ContainsAny(p, " \t") }) {
		return strings.Join(append(out, mustMarshal(paths)), " ")
	}
	return strings.Join(append(out, paths...), " ")
}
