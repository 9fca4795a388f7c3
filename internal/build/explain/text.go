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
	t := &textWriter{}
	if colour {
		t.style = style{
			dim: "\x1b[2m", bold: "\x1b[1m", good: "\x1b[32m", built: "\x1b[33m", bad: "\x1b[31m", off: "\x1b[0m",
		}
	}
	d := r.Document()
	t.writeLine(t.bold, d.summary())
	t.writeLine("", d.imageSummary())
	t.writeEdges(d)
	for i := range d.Stages {
		t.writeStage(&d.Stages[i])
	}
	t.writeStart(&d.Start)
	if _, err := w.Write(t.out.Bytes()); err != nil {
		return fmt.Errorf("explain: %w", err)
	}
	return nil
}

// summary describes the build in one line.
func (d *Document) summary() string {
	needed := 0
	for _, s := range d.Stages {
		if s.Needed {
			needed++
		}
	}
	return fmt.Sprintf("%s for %s: built in %s, %d of %s needed", d.Target, d.Platform, formatSeconds(d.Seconds),
		needed,
		pluralize(len(d.Stages), "stage"))
}

// imageSummary describes the layers of the image in one line.
func (d *Document) imageSummary() string {
	text := fmt.Sprintf("The image has %s from its base and %s built here (%s)", pluralize(d.Image.Base, "layer"),
		pluralize(d.Image.Layers, "layer"), formatSize(d.Image.Bytes))
	if n := d.Layers - d.Image.Layers; n > 0 {
		text += fmt.Sprintf("; %s (%s) not in the image", pluralize(n, "other layer"),
			formatSize(d.Bytes-d.Image.Bytes))
	}
	return text
}

// A style is the set of a terminal's colours; empty without colours.
type style struct{ dim, bold, good, built, bad, off string }

type textWriter struct {
	style
	out bytes.Buffer
}

// writeLine writes one line in a style, without terminal control characters.
func (t *textWriter) writeLine(style, text string) {
	text = strings.TrimRight(escapeControls(text), " ")
	if style != "" {
		text = style + text + t.off
	}
	t.out.WriteString(text + "\n")
}

// writeParagraph writes an indented sentence in lines of up to 100 columns.
func (t *textWriter) writeParagraph(style, text string) {
	const width = 100
	line := " "
	for word := range strings.FieldsSeq(text) {
		if line != " " && len(line)+1+len(word) > width {
			t.writeLine(style, line)
			line = " "
		}
		line += " " + word
	}
	if line != " " {
		t.writeLine(style, line)
	}
}

func (t *textWriter) writeHeading(text string) {
	t.out.WriteString("\n")
	t.writeLine(t.bold, text)
}

// writeEdges writes the stage dependencies.
func (t *textWriter) writeEdges(d *Document) {
	if len(d.Edges) == 0 {
		return
	}
	t.writeHeading("stage dependencies")
	width := 0
	for _, e := range d.Edges {
		width = max(width, len([]rune(escapeControls(e.source()))))
	}
	for _, e := range d.Edges {
		text := e.Name()
		if e.What != "" {
			text += " " + e.What
		}
		begin := escapeControls(e.source())
		pad := strings.Repeat(" ", width-len([]rune(begin)))
		t.writeLine("", fmt.Sprintf("  %s%s ──▶ %s  %s (line %d)", begin, pad, e.ToName, text, e.Line))
	}
}

// source formats the start of an edge, with its kind unless it is a stage.
func (e Edge) source() string {
	if e.FromKind == stageKind {
		return e.FromName
	}
	return e.FromKind + " " + e.FromName
}

func (t *textWriter) writeStage(s *Stage) {
	text := "stage " + s.Name + ": " + s.Why
	if s.Platform != "" {
		text += ", for " + s.Platform
	}
	t.writeHeading(text)
	for k := range s.Instructions {
		i := &s.Instructions[k]
		look := ""
		if !s.Needed {
			look = t.dim
		}
		text := i.Text
		if i.OnBuild {
			text += "  (ONBUILD from " + s.Base + ")"
		}
		t.writeLine(look, fmt.Sprintf("%7s  %s", i.lines(), text))
		if s.Needed {
			t.writeEffects(i)
			t.writeOutcome(i)
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

// writeEffects writes what an instruction did.
func (t *textWriter) writeEffects(i *Instruction) {
	switch i.Kind {
	case Base:
		t.writeLine(t.dim, margin+"base: "+i.From)
		return
	case Nothing:
		t.writeLine(t.dim, margin+"no layer, no metadata: the image does not change")
		return
	case Metadata:
		for _, c := range i.Changes {
			t.writeLine(t.dim, margin+"metadata only: "+c.String())
		}
		return
	}
	text := "layer"
	if i.Layer != nil {
		text += ": " + i.Layer.String()
	}
	t.writeLine("", margin+text)
	if i.Layer != nil && len(i.Layer.Largest) > 0 {
		t.writeLine(t.dim, margin+"largest: "+i.Layer.largestFiles())
	}
	for _, c := range i.Changes {
		t.writeLine(t.dim, margin+"metadata: "+c.String())
	}
}

func (t *textWriter) writeOutcome(i *Instruction) {
	if i.Kind != Layer {
		return
	}
	t.writeLine(i.style(t.style), margin+i.outcome())
	for _, c := range i.Inputs {
		t.writeLine(i.style(t.style), margin+"  "+c)
	}
}

func (i *Instruction) style(s style) string {
	if i.Cached {
		return s.good
	}
	return s.built
}

// outcome describes whether a layer was cached, and why.
func (i *Instruction) outcome() string {
	text := "cached"
	if !i.Cached {
		text = "built in " + formatSeconds(i.Seconds)
	}
	if i.Reason != "" {
		text += ": " + i.Reason
	}
	return text
}

func (l *LayerText) String() string {
	text := formatSize(l.Bytes)
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

func (l *LayerText) largestFiles() string {
	var out []string
	for _, f := range l.Largest {
		out = append(out, "/"+strings.TrimPrefix(f.Path, "/")+" "+formatSize(f.Bytes))
	}
	return strings.Join(out, ", ")
}

func (t *textWriter) writeStart(s *Start) {
	t.writeHeading("what the container runs")
	t.writeLine("", "  ENTRYPOINT "+cmp.Or(formatList(s.Entrypoint), "[]"))
	t.writeLine("", "  CMD        "+cmp.Or(formatList(s.Cmd), "[]"))
	t.writeLine(t.bold, "  argv       "+cmp.Or(formatList(s.Argv), "[]"))
	t.writeLine("", fmt.Sprintf("  user %s, working directory %s, stop signal %s", s.User, s.WorkingDir,
		s.StopSignal))
	t.writeParagraph("", s.Rule)
	t.writeParagraph("", s.Means)
	t.writeParagraph(t.bad, s.Trap)
}

// escapeControls replaces unprintable characters with escapes, and a newline with ⏎.
func escapeControls(text string) string {
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

func formatSize(n int64) string { return units.HumanSizeWithPrecision(float64(n), 3) }

func formatSeconds(s float64) string { return fmt.Sprintf("%.1fs", s) }

func pluralize(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
