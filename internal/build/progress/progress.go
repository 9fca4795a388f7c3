// Package progress shows the progress of a build: on a terminal a list that is redrawn in
// place, in a log blocks of lines, for programs JSON. It looks like docker buildx's, which
// users know.
//
//	progress.go  New, and the interfaces
//	display.go   the goroutine that writes, at most ten times a second
//	steps.go     events → the state of the steps (pure)
//	cleaner.go   a program's output → lines without control sequences (pure)
//	draw.go      steps → rows of text of a given size (pure)
//	tty.go       rows → bytes for a terminal (pure)
//	plain.go     events → a log (pure)
//	rawjson.go   events → JSON (pure)
//	record.go    events → records of builds, and back
//
// The output of programs and the names of steps may be hostile, so terminal control sequences
// in them are removed.
package progress

import (
	"cmp"
	"fmt"
	"os"
	"time"

	"github.com/containerd/console"

	"github.com/minirun/minirun/internal/language"
)

// A Sink receives the events of a build. It is safe for concurrent use.
type Sink interface {
	// Begin names a step: "[builder 2/5] RUN npm install", "exporting to image".
	Begin(id int, name string)
	// Output passes on output of the step's program, split at any byte.
	Output(id int, p []byte)
	// Count reports how many bytes of something are done; a total of 0 is unknown.
	Count(id int, what string, done, total int64)
	// Note adds a line about the step's result, which stays on the screen.
	Note(id int, what string)
	// End reports how the step ended. An error that is, or wraps, the end of a context or the
	// error of a previous step is shown as CANCELED.
	End(id int, cached bool, err error)
}

// An InputSink is a Sink that also receives the dependencies between steps. SetInputs is called
// before Begin.
type InputSink interface {
	SetInputs(id int, inputs []int)
}

// A Display shows the events.
type Display interface {
	Sink
	InputSink
	// Warn adds a finding of the linter. Only rawjson shows it immediately.
	Warn(w VertexWarning)
	// Pause releases the terminal for other output, until Resume.
	Pause()
	Resume()
	// Close shows the final state, and the last lines of failed steps.
	Close()
}

// New creates a display: tty, plain, quiet (or none), rawjson, or auto. auto uses the
// environment's BUILDKIT_PROGRESS. If that is not set, it is tty if out is a terminal, and
// plain otherwise or if CI is set, because CI output is read as a log.
func New(mode string, out *os.File) (Display, error) {
	if mode == "" || mode == "auto" {
		mode = cmp.Or(os.Getenv("BUILDKIT_PROGRESS"), "auto")
	}
	if mode == "quiet" || mode == "none" {
		return quietDisplay{}, nil
	}
	terminal, err := console.ConsoleFromFile(out)
	if mode == "auto" {
		mode = "plain"
		if err == nil && os.Getenv("TERM") != "dumb" && !isCI() {
			mode = "tty"
		}
	}
	now := time.Now()
	switch mode {
	case "tty":
		if err != nil {
			return nil, fmt.Errorf("--progress tty: %s is not a terminal\nhint: use --progress plain", out.Name())
		}
		t := newTTYView(now, os.Getenv("NO_COLOR") == "")
		t.toLanguage = language.Text
		return startDisplay(t, out, func() size { return terminalSize(terminal) }), nil
	case "plain":
		p := newPlainView(now)
		p.toLanguage = language.Text
		return startDisplay(p, out, unlimitedSize), nil
	case "rawjson":
		return startDisplay(&rawJSON{}, out, unlimitedSize), nil
	}
	return nil, fmt.Errorf("--progress %s: must be auto, tty, plain, quiet, none or rawjson", mode)
}

// NewTransfer creates a display for a pull or a push, whose activity its first row names: tty if out
// is a terminal, and plain otherwise.
func NewTransfer(activity string, out *os.File) Display {
	now := time.Now()
	terminal, err := console.ConsoleFromFile(out)
	if err != nil || os.Getenv("TERM") == "dumb" {
		p := newPlainView(now)
		p.toLanguage = language.Text
		return startDisplay(p, out, unlimitedSize)
	}
	t := newTTYView(now, os.Getenv("NO_COLOR") == "")
	t.activity, t.toLanguage = activity, language.Text
	return startDisplay(t, out, func() size { return terminalSize(terminal) })
}

func isCI() bool {
	value := os.Getenv("CI")
	return value != "" && value != "false" && value != "0"
}

type quietDisplay struct{}

func (quietDisplay) Begin(int, string)               {}
func (quietDisplay) Output(int, []byte)              {}
func (quietDisplay) Count(int, string, int64, int64) {}
func (quietDisplay) Note(int, string)                {}
func (quietDisplay) End(int, bool, error)            {}
func (quietDisplay) Warn(VertexWarning)              {}
func (quietDisplay) SetInputs(int, []int)            {}
func (quietDisplay) Pause()                          {}
func (quietDisplay) Resume()                         {}
func (quietDisplay) Close()                          {}
