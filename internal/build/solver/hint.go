package solver

import (
	"encoding/json"
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

// hinted adds such a suggestion to an error from selecting sources.
func (v *solving) hinted(n *graph.Node, source graph.Source, err error) error {
	missing := notFound(err)
	if len(missing) == 0 {
		if strings.Contains(n.Text, " [") && errors.Is(err, path.ErrBadPattern) {
			return fmt.Errorf("%w: if it is a list, that is JSON: its quotes are \"", err)
		}
		return err
	}
	if source.From == nil {
		return fmt.Errorf("%w%s", err, outside(n, missing))
	}
	return v.elsewhere(n, source, missing, err)
}

// notFound returns the missing sources in an error.
func notFound(err error) (out []*contenthash.NotFoundError) {
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range several.Unwrap() {
			out = append(out, notFound(e)...)
		}
		return out
	}
	var one *contenthash.NotFoundError
	if errors.As(err, &one) {
		return []*contenthash.NotFoundError{one}
	}
	return nil
}

// outside handles sources that were expected outside the context.
func outside(n *graph.Node, missing []*contenthash.NotFoundError) string {
	for _, word := range strings.Fields(n.Text)[1:] {
		for _, m := range missing {
			switch {
			case path.Join("/", word) != path.Join("/", m.Pattern):
			case word == ".." || strings.HasPrefix(word, "../"):
				return fmt.Sprintf(": %s is outside the context, of which %s sees nothing: build with a context that has it (minirun build -f DIR/Dockerfile ..), "+
					"or give it a name (--build-context NAME=%s, and %s --from=NAME)", word, n.Instruction, path.Dir(word), n.Instruction)
			case strings.HasPrefix(word, "/") && len(m.Near) == 0 && !m.Ignored:
				return ": sources begin at the context's root, also with a /: they are no paths of the host"
			}
		}
	}
	return ""
}

// A lost is a source that does not exist at its path, but does exist relative to the stage's
// WORKDIR. People often assume that the paths of --from are relative to it.
type lost struct {
	asked, meant string
	dir          bool
}

// elsewhere looks there, and suggests the corrected instruction, together with later
// instructions that contain the same mistake.
func (v *solving) elsewhere(n *graph.Node, source graph.Source, missing []*contenthash.NotFoundError, err error) error {
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
	rule := fmt.Sprintf("paths in --from begin at the root of %s, not at its WORKDIR %s", from, workdir)
	files := image.Stack(v.of(source.From).dirs())
	found := ofWorkdir(files, workdir, source.Path)
	if found == nil {
		if strings.HasPrefix("/"+source.Path, workdir+"/") {
			return err
		}
		return fmt.Errorf("%w: %s", err, rule)
	}
	if _, copies := n.Op.(*graph.Copy); !copies {
		return fmt.Errorf("%w: %s, where it is: write source=%s", err, rule, found.meant)
	}
	var lines []string
	directory := false
	for _, other := range n.Stage.Nodes {
		if op, copies := other.Op.(*graph.Copy); copies && other.ID >= n.ID && len(op.Sources) > 0 && op.Sources[0].From == source.From {
			right, named := corrected(other, op, files, workdir)
			lines, directory = append(lines, right...), directory || named
		}
	}
	text := fmt.Sprintf("%s, where it is. Write instead:\n\n    %s\n", rule, strings.Join(lines, "\n    "))
	if directory {
		text += "\nCOPY of a directory copies what is in it, so the destination names the directory, too."
	}
	return fmt.Errorf("%w: %s", err, text)
}

// ofWorkdir looks below WORKDIR for a source that does not exist at the root.
func ofWorkdir(files image.Stack, workdir, asked string) *lost {
	if file, _, err := files.Resolve("/" + asked); err == nil && file != "" {
		return nil
	}
	meant := path.Join(workdir, asked)
	file, st, err := files.Resolve(meant)
	if err != nil || file == "" {
		return nil
	}
	return &lost{asked, meant, st.Mode&unix.S_IFMT == unix.S_IFDIR}
}

// corrected returns a COPY with the intended paths. It is one line, or several, since each
// directory needs its own destination. The result is empty if none of the sources is lost.
func corrected(n *graph.Node, op *graph.Copy, files image.Stack, workdir string) (lines []string, named bool) {
	dest := destinationAsWritten(n)
	var together []string
	any := false
	for _, s := range op.Sources {
		l := ofWorkdir(files, workdir, s.Path)
		if l == nil {
			together = append(together, "/"+strings.TrimPrefix(s.Path, "/"))
			continue
		}
		any = true
		if !l.dir || !strings.HasSuffix(op.Dest, "/") || path.Base(strings.TrimSuffix(op.Dest, "/")) == path.Base(l.asked) {
			together = append(together, l.meant)
			continue
		}
		named = true
		lines = append(lines, written(n, l.meant, strings.TrimSuffix(dest, "/")+"/"+path.Base(l.asked)))
	}
	if !any {
		return nil, false
	}
	if len(together) > 0 {
		lines = append(lines, written(n, append(together, dest)...))
	}
	return lines, named
}

// written formats a COPY with its flags and different paths.
func written(n *graph.Node, paths ...string) string {
	out := []string{n.Instruction}
	for _, w := range strings.Fields(n.Text)[1:] {
		if !strings.HasPrefix(w, "--") {
			break
		}
		out = append(out, w)
	}
	if slices.ContainsFunc(paths, func(p string) bool { return strings.ContainsAny(p, " \t") }) {
		text, _ := json.Marshal(paths) // a list of strings: cannot fail
		return strings.Join(append(out, string(text)), " ")
	}
	return strings.Join(append(out, paths...), " ")
}

func destinationAsWritten(n *graph.Node) string {
	words := strings.Fields(n.Text)
	return words[len(words)-1]
}
