// Package words has the sentences of `minirun lab` in the learner's language: what a check expected and
// found, tables, questions. The English sentence is the key, as in golang.org/x/text/message, so that
// code reads like its output. The files of catalogue/TAG have the other languages; a test compares them
// with the code.
package words

import (
	"embed"
	"encoding/json"
	"fmt"
	"maps"

	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"golang.org/x/text/message/catalog"
)

//go:embed catalogue
var files embed.FS

// A Text is a sentence that is translated when it is printed.
type Text struct {
	Format string
	Args   []any // those of type Text are translated too
}

// New returns a sentence: the format is translated, its arguments are not, unless they are sentences.
func New(format string, args ...any) Text { return Text{format, args} }

// A Printer prints sentences in one language.
type Printer struct {
	Tag     string // en, pt-BR
	printer *message.Printer
}

// NewPrinter returns the printer for a language: a tag such as pt-BR. English is used for others.
func NewPrinter(tag string) (*Printer, error) {
	if tag == "" || tag == "en" {
		return &Printer{Tag: "en"}, nil
	}
	entries, err := Catalogue(tag)
	if err != nil {
		return nil, err
	}
	parsed, err := language.Parse(tag)
	if err != nil {
		return nil, err
	}
	c := catalog.NewBuilder(catalog.Fallback(language.English))
	for english, text := range entries {
		if err := c.SetString(parsed, english, text); err != nil {
			return nil, fmt.Errorf("%q: %w", english, err)
		}
	}
	return &Printer{Tag: tag, printer: message.NewPrinter(parsed, message.Catalog(c))}, nil
}

// Catalogue returns the sentences of a language, by the English ones: those of all files in its directory.
func Catalogue(tag string) (map[string]string, error) {
	dir := "catalogue/" + tag
	list, err := files.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for _, f := range list {
		data, err := files.ReadFile(dir + "/" + f.Name())
		if err != nil {
			return nil, err
		}
		var entries map[string]string
		if err := json.Unmarshal(data, &entries); err != nil {
			return nil, fmt.Errorf("%s/%s: %w", dir, f.Name(), err)
		}
		maps.Copy(all, entries)
	}
	return all, nil
}

// Say returns a sentence in the printer's language.
func (p *Printer) Say(format string, args ...any) string {
	args = p.translate(args)
	if p.printer == nil {
		return fmt.Sprintf(format, args...)
	}
	return p.printer.Sprintf(format, args...)
}

// Text returns a sentence in the printer's language.
func (p *Printer) Text(t Text) string { return p.Say(t.Format, t.Args...) }

// translate translates arguments that are sentences. The library would group the digits of numbers
// (12.345), but a PID is not a quantity.
func (p *Printer) translate(args []any) []any {
	out := make([]any, len(args))
	for i, a := range args {
		switch v := a.(type) {
		case Text:
			out[i] = p.Text(v)
		case error:
			out[i] = v.Error()
		case int, int64, uint64, uint32:
			out[i] = plain{v}
		default:
			out[i] = a
		}
	}
	return out
}

// plain is a value that is printed as package fmt does.
type plain struct{ value any }

func (p plain) Format(state fmt.State, verb rune) {
	fmt.Fprintf(state, fmt.FormatString(state, verb), p.value)
}
