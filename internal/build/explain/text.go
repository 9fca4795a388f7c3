package explain

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"

	"github.com/docker/go-units"
)

// Text writes the document for a terminal.
func Text(w io.Writer, r *Report, colour bool) error {
	t := &writer{}
	if colour {
		t.style = style{dim: "\x1b[2m", bold: "\x1b[1m", good: "\x1b[32m", built: "\x1b[33m", bad: "\x1b[31m", off: "\x1b[0m"}
	}
	d := r.Document()
	t.line(t.bold, d.summary())
	t.graph(d)
	for i := range d.Stages {
		t.stage(&d.Stages[i])
	}
	t.start(&d.Start)
	if _, err := w.Write(t.out.Bytes()); err != nil {
		return fmt.Errorf("explain: %w", err)
	}
	return nil
}

func (d *Document) summary() string {
	needed := 0
	for _, s := range d.Stages {
		if s.Needed {
			needed++
		}
	}
	text := fmt.Sprintf("%s for %s in %s: %d of %s needed. The image has %s of its base and %s made here, of %s",
		d.Target, d.Platform, seconds(d.Seconds), needed, counted(len(d.Stages), "stage"), counted(d.Image.Base, "layer"), counted(d.Image.Layers, "layer"), size(d.Image.Bytes))
	if n := d.Layers - d.Image.Layers; n > 0 {
		text += fmt.Sprintf("; %s of %s stayed behind", counted(n, "layer"), size(d.Bytes-d.Image.Bytes))
	}
	return text
}

// A style is the set of a terminal's colours; empty without colours.
type style struct{ dim, bold, good, built, bad, off string }

type writer struct {
	style
	out bytes.Buffer
}

// line writes one line in a style, without terminal control characters.
func (t *writer) line(style, text string) {
	text = strings.TrimRight(printable(text), " ")
	if style != "" {
		text = style + text + t.off
	}
	t.out.WriteString(text + "\n")
}

func (t *writer) heading(text string) {
	t.out.WriteString("\n")
	t.line(t.bold, text)
}

// graph writes the stage dependencies.
func (t *writer) graph(d *Document) {
	if len(d.Edges) == 0 {
		return
	}
	t.heading("who takes from whom")
	width := 0
	for _, e := range d.Edges {
		width = max(width, len([]rune(printable(e.begin()))))
	}
	for _, e := range d.Edges {
		text := e.Name()
		if e.What != "" {
			text += " " + e.What
		}
		begin := printable(e.begin())
		pad := strings.Repeat(" ", width-len([]rune(begin)))
		t.line("", fmt.Sprintf("  %s%s ──▶ %s  %s (line %d)", begin, pad, e.ToName, text, e.Line))
	}
}

// begin formats the start of an edge, with its kind unless it is a stage.
func (e Edge) begin() string {
	kind, _, _ := strings.Cut(e.From, ":")
	if kind == "stage" {
		return e.FromName
	}
	return kind + " " + e.FromName
}

func (t *writer) stage(s *Stage) {
	text := "stage " + s.Name + ": " + s.Why
	if s.Platform != "" {
		text += ", for " + s.Platform
	}
	t.heading(text)
	for k := range s.Instructions {
		i := &s.Instructions[k]
		look := ""
		if !s.Needed {
			look = t.dim
		}
		text := i.Text
		if i.OnBuild {
			text += "  (ONBUILD of " + s.Base + ")"
		}
		t.line(look, fmt.Sprintf("%7s  %s", i.lines(), text))
		if s.Needed {
			t.what(i)
			t.cache(i)
		}
	}
}

func (i *Instruction) lines() string {
	switch {
	case i.Line == 0:
		return ""
	case i.LastLine > i.Line:
		return fmt.Sprintf("%d-%d", i.Line, i.LastLine)
	}
	return strconv.Itoa(i.Line)
}

const margin = "         "

// what writes what an instruction did.
func (t *writer) what(i *Instruction) {
	switch i.Kind {
	case Base:
		t.line(t.dim, margin+"base: "+i.From)
		return
	case Nothing:
		t.line(t.dim, margin+"neither a layer nor metadata: the image stays as it is")
		return
	case Metadata:
		for _, c := range i.Changes {
			t.line(t.dim, margin+"metadata only: changes "+c.String())
		}
		return
	}
	text := "layer"
	if i.Layer != nil {
		text += ": " + i.Layer.String()
	}
	t.line("", margin+text)
	if i.Layer != nil && len(i.Layer.Largest) > 0 {
		t.line(t.dim, margin+"largest: "+i.Layer.names())
	}
	for _, c := range i.Changes {
		t.line(t.dim, margin+"and changes "+c.String())
	}
}

func (t *writer) cache(i *Instruction) {
	if i.Kind != Layer {
		return
	}
	t.line(i.style(t.style), margin+i.fate())
	for _, c := range i.Inputs {
		t.line(i.style(t.style), margin+"  "+c)
	}
}

func (i *Instruction) style(s style) string {
	if i.Cached {
		return s.good
	}
	return s.built
}

// fate describes whether a layer was cached, and why.
func (i *Instruction) fate() string {
	text := "cached"
	if !i.Cached {
		text = "built in " + seconds(i.Seconds)
	}
	if i.Reason != "" {
		text += ": " + i.Reason
	}
	return text
}

func (l *LayerText) String() string {
	text := size(l.Bytes)
	for _, c := range []struct {
		n    int
		name string
	}{{l.Added, "added"}, {l.Changed, "changed"}, {l.Removed, "removed"}} {
		if c.n > 0 {
			text += fmt.Sprintf(", %d %s", c.n, c.name)
		}
	}
	if l.Added+l.Changed+l.Removed == 0 {
		text += ", empty"
	}
	return text
}

func (l *LayerText) names() string {
	var out []string
	for _, f := range l.Largest {
		out = append(out, "/"+strings.TrimPrefix(f.Path, "/")+" "+size(f.Bytes))
	}
	return strings.Join(out, ", ")
}

func (t *writer) start(s *Start) {
	t.heading("what runs")
	t.line("", "  ENTRYPOINT "+cmp.Or(list(s.Entrypoint), "[]"))
	t.line("", "  CMD        "+cmp.Or(list(s.Cmd), "[]"))
	t.line(t.bold, "  argv       "+cmp.Or(list(s.Argv), "[]"))
	t.line("", fmt.Sprintf("  as %s in %s, stopped by %s", s.User, s.WorkingDir, s.StopSignal))
	t.line("", "  "+s.Rule)
	if s.Means != "" {
		t.line("", "  "+s.Means)
	}
	if s.Trap != "" {
		t.line(t.bad, "  "+s.Trap)
	}
}

// printable replaces unprintable characters with escapes, and a newline with ⏎.
func printable(text string) string {
	var out strings.Builder
	for _, r := range text {
		switch {
		case r == '\n':
			out.WriteString("⏎")
		case r == '\t':
			out.WriteByte(' ')
		case unicode.IsPrint(r):
			out.WriteRune(r)
		default:
			quoted := strconv.QuoteRuneToASCII(r)
			out.WriteString(quoted[1 : len(quoted)-1])
		}
	}
	return out.String()
}

func size(n int64) string { return units.HumanSizeWithPrecision(float64(n), 3) }

func seconds(s float64) string { return fmt.Sprintf("%.1fs", s) }

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
