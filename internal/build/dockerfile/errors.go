package dockerfile

import (
	"errors"
	"fmt"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"github.com/minirun/minirun/internal/build/graph"
)

// An Error refers to some lines of a Dockerfile, which Quote shows.
type Error struct {
	Name        string
	First, Last int
	Text        []byte // the Dockerfile
	Stage       string // "stage builder", if it is known and there are others
	Err         error
}

func (e *Error) Error() string { return fmt.Sprintf("%s:%d: %v", e.Name, e.First, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Quote returns the lines, with two lines before and two after, as BuildKit shows them.
func (e *Error) Quote() string {
	const around, longest, most = 2, 400, 40
	all := strings.Split(string(e.Text), "\n")
	var out strings.Builder
	rule := strings.Repeat("-", 20)
	in := ""
	if e.Stage != "" {
		in = ", in " + e.Stage
	}
	fmt.Fprintf(&out, "%s:%d%s\n%s\n", e.Name, e.First, in, rule)
	for n := max(1, e.First-around); n <= min(len(all), e.Last+around); n++ {
		if n > e.First+most {
			out.WriteString("     | …\n")
			break
		}
		mark := "   "
		if n >= e.First && n <= e.Last {
			mark = ">>>"
		}
		line := strings.TrimRight(all[n-1], "\r")
		if len(line) > longest {
			line = strings.ToValidUTF8(line[:longest], "") + " …"
		}
		out.WriteString(strings.TrimRight(fmt.Sprintf("%4d | %s %s", n, mark, line), " ") + "\n")
	}
	out.WriteString(rule)
	return out.String()
}

// quoteLines adds to an error the lines on which the parser found it.
func quoteLines(err error, name string, text []byte) error {
	var already *Error
	if errors.As(err, &already) {
		return err
	}
	var at *parser.LocationError
	if !errors.As(err, &at) || len(at.Locations) == 0 || len(at.Locations[0]) == 0 {
		var unknown *instructions.UnknownInstructionError
		if errors.As(err, &unknown) && unknown.Line > 0 {
			return &Error{Name: name, First: unknown.Line, Last: unknown.Line, Text: text, Err: addSuggestion(err, text)}
		}
		return fmt.Errorf("%s: %w", name, err)
	}
	first, last := lineRange(at.Locations[0])
	return &Error{Name: name, First: first, Last: last, Text: text, Err: addSuggestion(at.Unwrap(), text)}
}

// Locate adds a node's lines to an error from building it.
func (f *File) Locate(name string, n *graph.Node, err error) error {
	if n.First == 0 {
		return err
	}
	e := &Error{Name: name, First: n.First, Last: n.Last, Text: f.Text, Err: err}
	if n.Stage != nil && len(f.stages) > 1 {
		e.Stage = "stage " + strings.TrimPrefix(n.Stage.Label(), "stage-")
	}
	return e
}
