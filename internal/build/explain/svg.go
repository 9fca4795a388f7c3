package explain

import (
	"bytes"
	_ "embed"
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/mattn/go-runewidth"
)

// svgStyle uses the colours of minirun's other pages. It applies to the drawing only: its
// class names start with those of the drawing's elements.
//
//go:embed svg.css
var svgStyle string

// cells measures the width of characters in a monospace font, in any locale.
var cells = runewidth.Condition{StrictEmojiNeutral: true}

// SVG writes the stages as a self-contained drawing.
func SVG(w io.Writer, r *Report) error {
	d := r.Document()
	if _, err := w.Write(renderSVG(d, svgOptions{background: true})); err != nil {
		return fmt.Errorf("explain: %w", err)
	}
	return nil
}

type svgWriter struct{ bytes.Buffer }

// escapeXML makes text from a build printable and escapes it for XML.
func escapeXML(text string) string {
	var out strings.Builder
	_ = xml.EscapeText(&out, []byte(escapeControls(text))) // a Builder cannot fail
	return out.String()
}

func (s *svgWriter) writeText(class string, x, y int, text string, most int) {
	fmt.Fprintf(s, "<text class=\"%s\" x=\"%d\" y=\"%d\">%s</text>\n", class, x, y,
		escapeXML(cells.Truncate(escapeControls(text), most, "…")))
}

func (s *svgWriter) writeRect(class string, x, y, w, h int) {
	fmt.Fprintf(s, "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"3\"/>\n", class, x, y, w, h)
}

// svgOptions select what is drawn.
type svgOptions struct {
	background bool // for a drawing that is not part of a page
}

// renderSVG draws the stages.
func renderSVG(d *Document, o svgOptions) []byte {
	g := computeLayout(d)
	s := &svgWriter{}
	fmt.Fprintf(s, "<svg class=\"stages\" xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "+
		"viewBox=\"0 0 %d %d\" role=\"img\">\n", g.width, g.height, g.width, g.height)
	fmt.Fprintf(s, "<title>%s</title>\n<style>%s</style>\n<defs>\n", escapeXML(d.summary()+". "+d.imageSummary()+"."),
		svgStyle)
	for _, kind := range []string{"from", "copy", "mount"} {
		fmt.Fprintf(s, "<marker id=\"%s-end\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"8\" "+
			"markerHeight=\"8\" markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\"/></marker>\n", kind)
	}
	s.WriteString("</defs>\n")
	if o.background {
		s.writeRect("page", 0, 0, g.width, g.height)
	}
	if g.unneededY > 0 {
		s.writeText("why", border, g.unneededY+6,
			"not needed: the target does not use these with FROM, COPY --from or RUN --mount", 200)
	}
	for _, a := range g.arrows {
		s.writeArrow(a)
	}
	for i := range g.boxes {
		s.writeBox(&g.boxes[i])
	}
	s.WriteString("</svg>\n")
	return s.Bytes()
}

func (s *svgWriter) writeArrow(a arrow) {
	p := a.path
	fmt.Fprintf(s, "<path class=\"%s\" marker-end=\"url(#%s-end)\" d=\"M%d %dL%d %d", a.edge.Kind, a.edge.Kind,
		p[0].x, p[0].y, p[1].x, p[1].y)
	for i := 2; i < len(p); i++ {
		from, to := p[i-1], p[i]
		if i%2 == 1 { // along a lane
			fmt.Fprintf(s, "L%d %d", to.x, to.y)
			continue
		}
		middle := (from.x + to.x) / 2
		fmt.Fprintf(s, "C%d %d %d %d %d %d", middle, from.y, middle, to.y, to.x, to.y)
	}
	e := a.edge
	fmt.Fprintf(s, "\"><title>%s</title></path>\n",
		escapeXML(fmt.Sprintf("line %d: %s %s from %s", e.Line, e.Name(), e.What, e.FromName)))
}

func (s *svgWriter) writeBox(b *box) {
	if b.stage == nil {
		fmt.Fprintf(s, "<g><title>%s</title>\n", escapeXML(b.name))
		s.writeRect("box outside", b.x, b.y, b.w, b.h)
		s.writeText("why", b.x+10, b.y+15, b.kind, 20)
		s.writeText("code", b.x+10, b.y+31, b.name, 25)
		s.WriteString("</g>\n")
		return
	}
	group, class := "", "box"
	if !b.stage.Needed {
		group = " class=\"unneeded\""
	}
	sub := "FROM " + b.stage.Base
	if b.stage.Platform != "" {
		sub += " for " + b.stage.Platform
	}
	switch {
	case b.stage.Target:
		class, sub = "box target", sub+"; the target"
	case b.stage.InImage:
		sub += "; in the image"
	case b.stage.Needed:
		sub += "; not in the image"
	}
	fmt.Fprintf(s, "<g%s>\n", group)
	s.writeRect(class, b.x, b.y, b.w, b.h)
	s.writeText("name", b.x+10, b.y+19, b.name, 50)
	s.writeText("why", b.x+10, b.y+34, sub, 70)
	for i := range b.stage.Instructions {
		s.writeRow(b, &b.stage.Instructions[i], b.rowY(i))
	}
	if b.argv != "" {
		s.writeText("why", b.x+10, b.y+b.h-13, "runs", 10)
		s.writeText("code argv", b.x+40, b.y+b.h-13, b.argv, 52)
	}
	s.WriteString("</g>\n")
}

// writeRow draws an instruction: solid if it produces a layer, dashed if it does not.
func (s *svgWriter) writeRow(b *box, i *Instruction, y int) {
	const room = 42 // characters of the instruction
	class, side, hit := i.Kind, "", "side"
	if i.Layer != nil {
		side = formatSize(i.Layer.Bytes)
	}
	switch {
	case i.Kind != Layer || !i.Needed:
	case i.Cached:
		class, side, hit = class+" cached", side+" ✓", "side hit"
	default:
		side, hit = side+" · "+formatSeconds(i.Seconds), "side made"
	}
	fmt.Fprintf(s, "<g><title>%s</title>\n", escapeXML(i.tooltip()))
	s.writeRect(class, b.x+34, y+2, b.w-42, rowRoom-4)
	if i.Line > 0 {
		s.writeText("line", b.x+29, y+17, fmt.Sprint(i.Line), 6)
	}
	s.writeText("code", b.x+40, y+17, i.Text, room)
	if side != "" {
		s.writeText(hit, b.x+b.w-14, y+17, strings.TrimSpace(side), 20)
	}
	s.WriteString("</g>\n")
}

// tooltip is the text shown when the pointer is over an instruction.
func (i *Instruction) tooltip() string {
	if !i.Needed {
		return i.Text
	}
	out := append([]string{i.Text}, i.effects()...)
	if i.Kind == Layer {
		out = append(append(out, i.outcome()), i.Inputs...)
	}
	return strings.Join(out, " | ")
}
