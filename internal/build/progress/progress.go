// Package progress shows the progress of a build: on a terminal a list that is redrawn in
// place, in a log blocks of lines, for programs JSON. It looks like docker buildx's, which
// users know.
//
//	progress.go  New, and the loop that writes: at most ten times a second
//	board.go     the state of the steps: events → board (pure)
//	clean.go     a program's output → lines without control sequences (pure)
//	draw.go      board → rows of text of a given size (pure)
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
	"sync"
	"time"

	"github.com/containerd/console"
)

// A Sink receives the events of a build. It is safe for concurrent use.
type Sink interface {
	// Begin names a step: "[builder 2/5] RUN npm install", "exporting to image".
	Begin(id int, name string)
	// Output passes on output of the step's program, split at any byte.
	Output(id int, p []byte)
	// Count reports how many bytes of something are done; a total of 0 is unknown.
	Count(id int, what string, done, total int64)
	// Did names something that the step did and that stays on the screen.
	Did(id int, what string)
	// End reports how the step ended. An error that is, or wraps, the end of a context or the
	// error of a previous step is shown as CANCELED.
	End(id int, cached bool, err error)
}

// A Linked Sink also receives the dependencies between steps. Needs is called before Begin.
type Linked interface {
	Needs(id int, inputs []int)
}

// A Display shows the events.
type Display interface {
	Sink
	Linked
	// Warn adds a finding of the linter. Only rawjson shows it immediately.
	Warn(w VertexWarning)
	// Pause releases the terminal for other output, until Resume.
	Pause()
	Resume()
	// Close shows the final state, and the last lines of failed steps.
	Close()
}

const (
	interval = 100 * time.Millisecond
	plenty   = 256 << 10 // pending bytes that are written immediately, without waiting for the interval
)

// New creates a display: tty, plain, quiet (or none), rawjson, or auto. auto uses the
// environment's BUILDKIT_PROGRESS. If that is not set, it is tty if out is a terminal, and
// plain otherwise or if CI is set, because CI output is read as a log.
func New(mode string, out *os.File) (Display, error) {
	if mode == "" || mode == "auto" {
		mode = cmp.Or(os.Getenv("BUILDKIT_PROGRESS"), "auto")
	}
	if mode == "quiet" || mode == "none" {
		return quiet{}, nil
	}
	terminal, err := console.ConsoleFromFile(out)
	if mode == "auto" {
		mode = "plain"
		if err == nil && os.Getenv("TERM") != "dumb" && !ci() {
			mode = "tty"
		}
	}
	now := time.Now()
	switch mode {
	case "tty":
		if err != nil {
			return nil, fmt.Errorf("--progress tty: %s is not a terminal: try --progress plain", out.Name())
		}
		colour := os.Getenv("NO_COLOR") == ""
		return start(newTTY(now, colour), out, func() size { return sizeOf(terminal) }), nil
	case "plain":
		return start(newPlain(now), out, noSize), nil
	case "rawjson":
		return start(&rawJSON{}, out, noSize), nil
	}
	return nil, fmt.Errorf("--progress %s: must be auto, tty, plain, quiet, none or rawjson", mode)
}

// NewTransfer creates a display for a pull or a push, whose activity its first row names: tty if out
// is a terminal, and plain otherwise.
func NewTransfer(activity string, out *os.File) Display {
	now := time.Now()
	terminal, err := console.ConsoleFromFile(out)
	if err != nil || os.Getenv("TERM") == "dumb" {
		return start(newPlain(now), out, noSize)
	}
	t := newTTY(now, os.Getenv("NO_COLOR") == "")
	t.activity = activity
	return start(t, out, func() size { return sizeOf(terminal) })
}

func ci() bool {
	value := os.Getenv("CI")
	return value != "" && value != "false" && value != "0"
}

type quiet struct{}

func (quiet) Begin(int, string)               {}
func (quiet) Output(int, []byte)              {}
func (quiet) Count(int, string, int64, int64) {}
func (quiet) Did(int, string)                 {}
func (quiet) End(int, bool, error)            {}
func (quiet) Warn(VertexWarning)              {}
func (quiet) Needs(int, []int)                {}
func (quiet) Pause()                          {}
func (quiet) Resume()                         {}
func (quiet) Close()                          {}

// A size is that of a terminal; 0 is unlimited.
type size struct{ width, height int }

func noSize() size { return size{} }

func sizeOf(c console.Console) size {
	s, err := c.Size()
	if err != nil || s.Width == 0 || s.Height == 0 {
		return size{80, 24}
	}
	return size{int(s.Width), int(s.Height)}
}

// A view turns events into bytes. It uses no clock, file or lock.
type view interface {
	apply(e *event)
	// frame returns the bytes to write now; last means that nothing follows for a while.
	frame(now time.Time, s size, last bool) []byte
	// waiting returns the number of pending bytes, if they can pile up.
	waiting() int
	// end returns the bytes to write after the last frame.
	end() []byte
}

// loop is a Display: it passes events to a view and writes the bytes that the view returns.
// State and writing have separate locks, so that a stopped terminal does not stop the steps.
type loop struct {
	view view
	out  *os.File
	size func() size

	state   sync.Mutex // protects view, paused
	paused  bool
	writing sync.Mutex

	stop chan struct{}
	done sync.WaitGroup
	once sync.Once
}

func start(v view, out *os.File, s func() size) *loop {
	l := &loop{view: v, out: out, size: s, stop: make(chan struct{})}
	l.done.Go(l.run)
	return l
}

func (l *loop) run() {
	ticks := time.NewTicker(interval)
	defer ticks.Stop()
	for {
		select {
		case <-ticks.C:
			l.flush(false)
		case <-l.stop:
			return
		}
	}
}

// flush writes pending bytes. A write error cannot be reported anywhere, and the build
// continues.
func (l *loop) flush(last bool) {
	l.writing.Lock()
	defer l.writing.Unlock()
	s := l.size()
	l.state.Lock()
	var text []byte
	if !l.paused {
		text = l.view.frame(time.Now(), s, last)
	}
	l.state.Unlock()
	if len(text) > 0 {
		_, _ = l.out.Write(text)
	}
}

func (l *loop) tell(e event) {
	l.state.Lock()
	e.at = time.Now()
	l.view.apply(&e)
	much := l.view.waiting() > plenty
	l.state.Unlock()
	if much {
		l.flush(false)
	}
}

func (l *loop) Begin(id int, name string) { l.tell(event{kind: begin, id: id, text: name}) }
func (l *loop) Output(id int, p []byte)   { l.tell(event{kind: output, id: id, data: p}) }
func (l *loop) Count(id int, what string, done, total int64) {
	l.tell(event{kind: counted, id: id, text: what, done: done, total: total})
}
func (l *loop) Did(id int, what string) { l.tell(event{kind: did, id: id, text: what}) }
func (l *loop) End(id int, cached bool, err error) {
	l.tell(event{kind: ended, id: id, cached: cached, err: err})
}

func (l *loop) Needs(id int, inputs []int) { l.tell(event{kind: needed, id: id, inputs: inputs}) }

func (l *loop) Warn(w VertexWarning) { l.tell(event{kind: warned, warning: &w}) }

func (l *loop) Pause() {
	l.flush(true)
	l.state.Lock()
	defer l.state.Unlock()
	l.paused = true
}

func (l *loop) Resume() {
	l.state.Lock()
	defer l.state.Unlock()
	l.paused = false
}

func (l *loop) Close() {
	l.once.Do(func() {
		close(l.stop)
		l.done.Wait()
		l.Resume()
		l.flush(true)
		_, _ = l.out.Write(l.view.end())
	})
}
