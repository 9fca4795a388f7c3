package explain

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
)

//go:embed page.html
var pageText string

// A page is the data of the template.
type page struct {
	*Document
	Summary string
	Drawing template.HTML
}

// HTML writes a self-contained page, without external resources or scripts.
func HTML(w io.Writer, r *Report) error {
	d := r.Document()
	t, err := template.New("page").Funcs(template.FuncMap{
		"text": escapeControls, "list": formatList, "seconds": formatSeconds,
		"lines": func(i Instruction) string { return i.lines() },
		"did":   func(i Instruction) []string { return i.effects() },
		"fate":  func(i Instruction) string { return i.outcome() },
		"bytes": func(i Instruction) string {
			if i.Layer == nil {
				return ""
			}
			return formatSize(i.Layer.Bytes)
		},
	}).Parse(pageText)
	if err == nil {
		// renderSVG escapes its texts
		err = t.Execute(w, page{d, d.summary() + ". " + d.imageSummary() + ".",
			template.HTML(renderSVG(d, svgOptions{}))})
	}
	if err != nil {
		return fmt.Errorf("explain: %w", err)
	}
	return nil
}

// effects describes what an instruction did, as in the text output, but without the cache.
func (i *Instruction) effects() []string {
	t := &textWriter{}
	t.writeEffects(i)
	var out []string
	for l := range strings.Lines(t.out.String()) {
		out = append(out, strings.TrimSpace(l))
	}
	return out
}
