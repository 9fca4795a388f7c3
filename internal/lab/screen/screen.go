// Package screen shows a lab's texts and results to a learner: with colours and lines that fit on a
// terminal, plain on a pipe.
package screen

import (
	"fmt"
	"io"
	"os"
	"strings"

	"charm.land/glamour/v2"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/minirun/minirun/internal/lab"
	"github.com/minirun/minirun/internal/lab/course"
	"github.com/minirun/minirun/internal/lab/words"
)

// A Screen is where texts are shown.
type Screen struct {
	Out      io.Writer
	Words    *words.Printer
	width    int
	colour   bool
	terminal bool
}

// widest is the most columns that a text takes: longer lines are hard to read.
const widest = 90

// New returns the screen for a file.
func New(f *os.File, w *words.Printer) *Screen {
	s := &Screen{Out: f, Words: w, width: 80}
	if columns, _, err := term.GetSize(int(f.Fd())); err == nil && columns > 20 {
		s.terminal = true
		s.width = min(columns, widest)
		s.colour = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	}
	return s
}

// IsTerminal reports whether a person can be asked.
func (s *Screen) IsTerminal() bool {
	_, err := unix.IoctlGetTermios(0, unix.TCGETS)
	return s.terminal && err == nil
}

// Print prints a sentence of the catalogue and a line end.
func (s *Screen) Print(format string, args ...any) {
	fmt.Fprintln(s.Out, s.Words.Say(format, args...))
}

// Raw shows a text as it is.
func (s *Screen) Raw(text string) { fmt.Fprintf(s.Out, "%s", text) }

// Markdown shows a text.
func (s *Screen) Markdown(text string) error {
	style := "notty"
	if s.colour {
		style = "dark"
	}
	r, err := glamour.NewTermRenderer(glamour.WithStandardStyle(style), glamour.WithWordWrap(0))
	if err != nil {
		return err
	}
	out, err := r.Render(unwrap(text))
	if err != nil {
		return err
	}
	for line := range strings.Lines(strings.Trim(out, "\n") + "\n") {
		for _, part := range wrap(strings.TrimRight(line, " \n"), s.width) {
			fmt.Fprintln(s.Out, part)
		}
	}
	return nil
}

func (s *Screen) paint(code, text string) string {
	if !s.colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// Good marks what is as it should be, and Bad what is not.
func (s *Screen) Good() string { return s.paint("32", "✓") }

// Bad marks what is not as it should be.
func (s *Screen) Bad() string { return s.paint("31", "✗") }

// Report shows what was checked: a line for each check that holds, and for each other one what was
// expected, what was found, and where to look.
func (s *Screen) Report(text *course.Text, r *lab.Report) {
	for i, one := range r.Results {
		if one.Skipped.Format != "" {
			fmt.Fprintf(s.Out, "  - %s (%s)\n", text.Checks[i], s.Words.Say("not checked: %s", one.Skipped))
			continue
		}
		if one.Failure == nil {
			fmt.Fprintf(s.Out, "  %s %s\n", s.Good(), text.Checks[i])
			continue
		}
		fmt.Fprintf(s.Out, "  %s %s\n", s.Bad(), text.Checks[i])
		rows := [][2]string{{"expected", s.Words.Text(one.Failure.Expected)}, {"found", s.Words.Text(one.Failure.Found)},
			{"look", one.Failure.Look}}
		for _, row := range rows {
			name := s.Words.Say(row[0]) + ":"
			fmt.Fprintf(s.Out, "      %-11s %s\n", name, strings.ReplaceAll(row[1], "\n", "\n                 "))
		}
	}
}
