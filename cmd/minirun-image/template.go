package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"text/template"

	"github.com/minirun/minirun/internal/termtext"
)

// templateFunctions returns docker's functions, as far as they apply to texts and lists.
func templateFunctions() template.FuncMap {
	return template.FuncMap{
		"json": func(v any) (string, error) {
			text, err := json.Marshal(v)
			return string(text), err
		},
		"join":  strings.Join,
		"split": strings.Split,
		"lower": strings.ToLower,
		"upper": strings.ToUpper,
		"truncate": func(text string, most int) string {
			return string([]rune(text)[:max(0, min(most, len([]rune(text))))])
		},
	}
}

// A row contains the values of a template's placeholders.
type row map[string]any

// writeTemplate writes rows in the format TEMPLATE, or table TEMPLATE, which prints a header line
// and aligns columns at the tabs in the template.
func writeTemplate(w io.Writer, format string, headers map[string]string, rows []row) error {
	text, isTable := strings.CutPrefix(format, "table ")
	text = strings.NewReplacer(`\t`, "\t", `\n`, "\n").Replace(strings.TrimSpace(text))
	t, err := template.New("format").Funcs(templateFunctions()).Option("missingkey=error").Parse(text)
	if err != nil {
		return fmt.Errorf("--format: %w", err)
	}
	var out bytes.Buffer
	if isTable {
		first := row{}
		for name, header := range headers {
			first[name] = header
		}
		rows = append([]row{first}, rows...)
	}
	for _, r := range rows {
		if err := t.Execute(&out, r); err != nil {
			return fmt.Errorf("--format: %w", err)
		}
		out.WriteByte('\n')
	}
	if !isTable {
		_, err = io.WriteString(w, termtext.Text(out.String()))
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	if _, err := io.WriteString(table, termtext.Text(out.String())); err != nil {
		return err
	}
	return table.Flush()
}

// oneLine replaces whitespace, including line breaks, with single spaces.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
