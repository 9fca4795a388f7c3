package explain

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/docker/go-units"

	"github.com/minirun/minirun/internal/language"
)

// Text writes the document for a terminal, in the user's language.
func Text(w io.Writer, r *Report, colour bool) error {
	t := &textWriter{toLanguage: language.Text}
	if colour {
		t.style = style{
			dim: "\x1b[2m", bold: "\x1b[1m", good: "\x1b[32m", built: "\x1b[33m", bad: "\x1b[31m", off: "\x1b[0m",
		}
	}
	d := r.Document()
	t.writeLine(t.bold, t.translate(d.summary()))
	t.writeLine("", t.translate(d.imageSummary()))
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
		needed, pluralize(len(d.Stages), "1 stage", "%d stages"))
}

// imageSummary describes the layers of the image in one line.
func (d *Document) imageSummary() string {
	text := fmt.Sprintf("The image has %s from its base and %s built here (%s)",
		pluralize(d.Image.Base, "1 layer", "%d layers"), pluralize(d.Image.Layers, "1 layer", "%d layers"),
		formatSize(d.Image.Bytes))
	if n := d.Layers - d.Image.Layers; n > 0 {
		text += fmt.Sprintf("; %s (%s) not in the image", pluralize(n, "1 other layer", "%d other layers"),
			formatSize(d.Bytes-d.Image.Bytes))
	}
	return text
}

// A style is the set of a terminal's colours; empty without colours.
type style struct{ dim, bold, good, built, bad, off string }

type textWriter struct {
	style
	toLanguage func(string) string // nil: English
	out        bytes.Buffer
}

// translate returns a text in the user's language, without terminal control characters. A single word has a
// colon: a word without one may be the name of a file.
func (t *textWriter) translate(text string) string {
	text = escapeControls(text)
	if t.toLanguage == nil {
		return text
	}
	return t.toLanguage(text)
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
		if line != " " && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
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
	t.writeHeading(t.translate("stage dependencies"))
	width := 0
	sources := make([]string, len(d.Edges))
	for i, e := range d.Edges {
		sources[i] = t.translate(e.source())
		width = max(width, utf8.RuneCountInString(sources[i]))
	}
	for i, e := range d.Edges {
		text := e.Name()
		if e.What != "" {
			text += " " + e.What
		}
		pad := strings.Repeat(" ", width-utf8.RuneCountInString(sources[i]))
		t.writeLine("", fmt.Sprintf("  %s%s ──▶ %s  %s %s", sources[i], pad, e.ToName, text,
			t.translate(fmt.Sprintf("(line %d)", e.Line))))
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
	text := t.translate("stage "+s.Name) + ": " + t.translate(s.Why)
	if s.Platform != "" {
		text += ", " + t.translate("for "+s.Platform)
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
			text += "  " + t.translate("(ONBUILD from "+s.Base+")")
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
		t.writeLine(t.dim, margin+t.translate("base:")+" "+t.translate(i.From))
		return
	case Nothing:
		t.writeLine(t.dim, margin+t.translate("no layer, no metadata: the image does not change"))
		return
	case Metadata:
		for _, c := range i.Changes {
			t.writeLine(t.dim, margin+t.translate("metadata only:")+" "+t.translate(c.String()))
		}
		return
	}
	text := t.translate("layer:")
	if i.Layer != nil {
		text += " " + t.describeLayer(i.Layer)
	} else {
		text = strings.TrimSuffix(text, ":")
	}
	t.writeLine("", margin+text)
	if i.Layer != nil && len(i.Layer.Largest) > 0 {
		t.writeLine(t.dim, margin+t.translate("largest:")+" "+i.Layer.largestFiles())
	}
	for _, c := range i.Changes {
		t.writeLine(t.dim, margin+t.translate("metadata:")+" "+t.translate(c.String()))
	}
}

func (t *textWriter) writeOutcome(i *Instruction) {
	if i.Kind != Layer {
		return
	}
	t.writeLine(i.style(t.style), margin+t.describeOutcome(i))
	for _, c := range i.Inputs {
		t.writeLine(i.style(t.style), margin+"  "+t.translate(c))
	}
}

func (i *Instruction) style(s style) string {
	if i.Cached {
		return s.good
	}
	return s.built
}

// describeOutcome describes whether a layer was cached, and why.
func (t *textWriter) describeOutcome(i *Instruction) string {
	text := t.translate("cached:")
	if !i.Cached {
		text = t.translate(fmt.Sprintf("built in %s:", formatSeconds(i.Seconds)))
	}
	if i.Reason == "" {
		return strings.TrimSuffix(text, ":")
	}
	return text + " " + t.translate(i.Reason)
}

// outcome is describeOutcome in English.
func (i *Instruction) outcome() string { return (&textWriter{}).describeOutcome(i) }

// describeLayer describes the size of a layer, and its changes.
func (t *textWriter) describeLayer(l *LayerText) string {
	text := formatSize(l.Bytes)
	if l.Added > 0 {
		text += ", " + t.translate(fmt.Sprintf("%d added", l.Added))
	}
	if l.Changed > 0 {
		text += ", " + t.translate(fmt.Sprintf("%d changed", l.Changed))
	}
	if l.Removed > 0 {
		text += ", " + t.translate(fmt.Sprintf("%d removed", l.Removed))
	}
	if l.Added+l.Changed+l.Removed == 0 {
		text += ", " + strings.TrimSuffix(t.translate("empty:"), ":")
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
	t.writeHeading(t.translate("what the container runs"))
	t.writeLine("", "  ENTRYPOINT "+cmp.Or(formatList(s.Entrypoint), "[]"))
	t.writeLine("", "  CMD        "+cmp.Or(formatList(s.Cmd), "[]"))
	t.writeLine(t.bold, "  argv       "+cmp.Or(formatList(s.Argv), "[]"))
	t.writeLine("", "  "+t.translate(fmt.Sprintf("user %s, working directory %s, stop signal %s", s.User, s.WorkingDir,
		s.StopSignal)))
	t.writeParagraph("", t.translate(s.Rule))
	t.writeParagraph("", t.translate(s.Means))
	t.writeParagraph(t.bad, t.translate(s.Trap))
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

// pluralize returns one, or the format more with the number.
func pluralize(n int, one, more string) string {
	if n == 1 {
		return one
	}
	return fmt.Sprintf(more, n)
}
