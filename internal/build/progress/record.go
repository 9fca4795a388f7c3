package progress

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"sync"
	"time"
)

// A Kind is the kind of an event. The values are in the files of build records, and must not
// change.
type Kind string

// The kinds of events: the methods of Sink, InputSink and Display.
const (
	Begin   Kind = "begin"
	Output  Kind = "output"
	Count   Kind = "count"
	Note    Kind = "did"
	End     Kind = "end"
	Inputs  Kind = "needs"
	Warning Kind = "warning" // not recorded
)

var recordedKinds = []Kind{Begin, Output, Count, Note, End, Inputs}

// An Event is one call of a method of Sink or InputSink, in a form that can be written to a file.
// Data may not be text.
type Event struct {
	At       time.Time `json:"at"`
	Kind     Kind      `json:"kind"`
	ID       int       `json:"id"`
	Text     string    `json:"text,omitempty"` // Begin: the step's name; Count, Note: what
	Data     []byte    `json:"data,omitempty"` // Output
	Done     int64     `json:"done,omitempty"`
	Total    int64     `json:"total,omitempty"`
	Cached   bool      `json:"cached,omitempty"`
	Error    string    `json:"error,omitempty"`
	Canceled bool      `json:"canceled,omitempty"` // the step ended because of an interrupt or another step's error
	Inputs   []int     `json:"inputs,omitempty"`   // Inputs: the steps that this one depends on
}

// NewRecorder returns a Display that shows the same as d, and passes each event to keep. Calls of
// keep do not overlap, and it must not retain Data.
func NewRecorder(d Display, keep func(Event)) Display { return &recorder{Display: d, keep: keep} }

type recorder struct {
	Display
	keep  func(Event)
	mutex sync.Mutex
	first error // of the step that failed first
}

func (r *recorder) record(e Event) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	e.At = time.Now().UTC()
	r.keep(e)
}

func (r *recorder) Begin(id int, name string) {
	r.record(Event{Kind: Begin, ID: id, Text: name})
	r.Display.Begin(id, name)
}

func (r *recorder) Output(id int, p []byte) {
	r.record(Event{Kind: Output, ID: id, Data: p})
	r.Display.Output(id, p)
}

func (r *recorder) Count(id int, what string, done, total int64) {
	r.record(Event{Kind: Count, ID: id, Text: what, Done: done, Total: total})
	r.Display.Count(id, what, done, total)
}

func (r *recorder) Note(id int, what string) {
	r.record(Event{Kind: Note, ID: id, Text: what})
	r.Display.Note(id, what)
}

func (r *recorder) End(id int, cached bool, err error) {
	e := Event{Kind: End, ID: id, Cached: cached}
	if err != nil {
		r.mutex.Lock()
		e.Error, e.Canceled = err.Error(), isCanceled(err, r.first)
		if r.first == nil && !e.Canceled {
			r.first = err
		}
		r.mutex.Unlock()
	}
	r.record(e)
	r.Display.End(id, cached, err)
}

func (r *recorder) SetInputs(id int, inputs []int) {
	r.record(Event{Kind: Inputs, ID: id, Inputs: inputs})
	r.Display.SetInputs(id, inputs)
}

// recordedError is a step's error that was read from a file.
type recordedError struct {
	text     string
	canceled bool
}

func (e *recordedError) Error() string { return e.text }

// Is makes the error match context.Canceled if the step was canceled.
func (e *recordedError) Is(target error) bool { return e.canceled && target == context.Canceled }

// event converts to the event type of views.
func (e *Event) event() (event, bool) {
	out := event{
		at: e.At, kind: e.Kind, id: e.ID, text: e.Text, data: e.Data, done: e.Done, total: e.Total,
		cached: e.Cached, inputs: e.Inputs,
	}
	if !slices.Contains(recordedKinds, e.Kind) {
		return out, false // written by a later version
	}
	if e.Error != "" {
		out.err = &recordedError{e.Error, e.Canceled}
	}
	return out, true
}

// Replay writes recorded events like a display of the mode plain or rawjson.
func Replay(mode string, out io.Writer, events iter.Seq[Event]) error {
	var v view
	switch mode {
	case "plain":
		v = newPlainView(time.Time{})
	case "rawjson":
		v = &rawJSON{}
	default:
		return fmt.Errorf("--progress %s: must be plain or rawjson", mode)
	}
	last := time.Time{}
	for recorded := range events {
		e, ok := recorded.event()
		if !ok {
			continue
		}
		v.apply(&e)
		last = e.at
		if v.pendingBytes() < flushSize {
			continue
		}
		if _, err := out.Write(v.frame(last, size{}, false)); err != nil {
			return err
		}
	}
	_, err := out.Write(append(v.frame(last, size{}, true), v.trailer()...))
	return err
}

// Failures returns the last lines of the steps that failed, without control sequences.
func Failures(events iter.Seq[Event]) string {
	b := newStepList(time.Time{})
	for recorded := range events {
		if e, ok := recorded.event(); ok {
			b.apply(&e, nil)
		}
	}
	return b.formatFailures()
}

// isCanceled reports whether a step failed because it was stopped. Steps that are stopped
// because another one failed often end with the error of that one, first.
func isCanceled(err, first error) bool {
	return errors.Is(err, context.Canceled) || first != nil && errors.Is(err, first)
}
