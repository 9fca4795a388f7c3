package lint

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/minirun/minirun/internal/build/dockerfile"
	"github.com/minirun/minirun/internal/language"
	"github.com/minirun/minirun/internal/termtext"
)

// Print writes the result: "text" (or "") as docker buildx build --check does, or "json" with
// the names of BuildKit's lint request.
func (r *Result) Print(w io.Writer, format string) error {
	switch format {
	case "", "text":
		return r.printText(w)
	case "json":
		return r.printJSON(w)
	}
	return fmt.Errorf("--check: format %q: must be text or json", format)
}

// printText prints the result in the user's language, except for the lines of the Dockerfile.
func (r *Result) printText(w io.Writer) error {
	var err error
	print := func(lines ...string) {
		if err == nil {
			_, err = io.WriteString(w, termtext.Text(strings.Join(lines, "\n")+"\n"))
		}
	}
	var broken *dockerfile.Error
	switch n := len(r.Warnings); {
	case errors.As(r.Err, &broken):
	case n == 0:
		print(language.Text("Check complete, no warnings found."))
	case n == 1:
		print(language.Text("Check complete, 1 warning has been found!"))
	default:
		print(language.Text(fmt.Sprintf("Check complete, %d warnings have been found!", n)))
	}
	for _, f := range r.Warnings {
		of := " - " + f.URL
		switch {
		case f.IsMinirunRule:
			of = " " + language.Text("(rule of minirun)")
		case f.URL == "":
			of = ""
		}
		print("", language.Text("WARNING:")+" "+f.Rule+of, language.Text(f.Detail))
		if f.Hint != "" {
			print(language.Text("hint: " + f.Hint))
		}
		if f.Line() > 0 {
			print((&dockerfile.Error{Name: r.name, First: f.Line(), Last: f.lastLine(), Text: r.text}).Quote())
		}
	}
	switch {
	case broken != nil:
		print("", language.Text("ERROR:")+" "+language.Text(broken.Err.Error()), broken.Quote())
	case r.Err != nil:
		print("", language.Text("ERROR:")+" "+language.Text(r.Err.Error()))
	}
	return err
}

type jsonFinding struct {
	RuleName      string               `json:"ruleName"`
	Description   string               `json:"description,omitempty"`
	URL           string               `json:"url,omitempty"`
	Detail        string               `json:"detail,omitempty"`
	Hint          string               `json:"hint,omitempty"`
	Location      *dockerfile.Location `json:"location,omitempty"`
	IsMinirunRule bool                 `json:"minirun,omitempty"`
}

type buildError struct {
	Message  string               `json:"message"`
	Location *dockerfile.Location `json:"location,omitempty"`
}

// A jsonFile contains the lines of findings.
type jsonFile struct {
	Filename string `json:"filename"`
	Data     []byte `json:"data"` // in base64
	Language string `json:"language"`
}

// location returns the location of lines; nil if there are none.
func location(ranges []Lines) *dockerfile.Location {
	if len(ranges) == 0 {
		return nil
	}
	out := &dockerfile.Location{}
	for _, r := range ranges {
		out.Ranges = append(out.Ranges, dockerfile.Lines(r.First, r.Last).Ranges...)
	}
	return out
}

func (r *Result) printJSON(w io.Writer) error {
	out := struct {
		Warnings []jsonFinding `json:"warnings"`
		Sources  []jsonFile    `json:"sources"`
		Error    *buildError   `json:"buildError,omitempty"`
	}{Warnings: []jsonFinding{}, Sources: []jsonFile{{r.name, r.text, "Dockerfile"}}}
	for _, f := range r.Warnings {
		out.Warnings = append(out.Warnings, jsonFinding{f.Rule, f.Description, f.URL, f.Detail, f.Hint,
			location(f.Ranges), f.IsMinirunRule})
	}
	if r.Err != nil {
		out.Error = &buildError{Message: r.Err.Error()}
		var broken *dockerfile.Error
		if errors.As(r.Err, &broken) {
			out.Error.Message, out.Error.Location = broken.Err.Error(), location([]Lines{{broken.First, broken.Last}})
		}
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(out)
}
