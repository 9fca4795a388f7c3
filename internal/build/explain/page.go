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

// A page is what the template shows.
type page struct {
	*Document
	Summary string
	Drawing template.HTML
}

// HTML writes a page that needs nothing else: no network, no script.
func HTML(w io.Writer, r *Report) error {
	d := r.Document()
	t, err := template.New("page").Funcs(template.FuncMap{
		"text": printable, "list": list, "seconds": seconds, "lines": func(i Instruction) string { return i.lines() },
		"did": func(i Instruction) []string { return i.did() }, "fate": func(i Instruction) string { return i.fate() },
		"bytes": func(i Instruction) string {
			if i.Layer == nil {
				return ""
			}
			return size(i.Layer.Bytes)
		},
	}).Parse(pageText)
	if err == nil {
		err = t.Execute(w, page{d, d.summary(), template.HTML(draw(d, layout(d), false))}) // its texts are escaped
	}
	if err != nil {
		return fmt.Errorf("explain: %w", err)
	}
	return nil
}

// did is what an instruction has done, as the text has it, but for what the cache had.
func (i *Instruction) did() []string {
	t := &writer{}
	t.what(i)
	var out []string
	for l := range strings.Lines(t.out.String()) {
		out = append(out, strings.TrimSpace(l))
	}
	return out
}
