package progress

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync"
	"time"
)

// A Kind is the Sink method of an Event.
type Kind string

// The kinds of recorded events.
const (
	Begin  Kind = "begin"
	Output Kind = "output"
	Count  Kind = "count"
	Did    Kind = "did"
	End    Kind = "end"
	Needs  Kind = "needs"
)

// An Event is one call of a method of Sink or Linked, in a form that can be written to a file.
// Data may not be text.
type Event struct {
	At       time.Time `json:"at"`
	Kind     Kind      `json:"kind"`
	ID       int       `json:"id"`
	Text     string    `json:"text,omitempty"` // Begin: the step's name; Count, Did: what
	Data     []byte    `json:"data,omitempty"` // Output
	Done     int64     `json:"done,omitempty"`
	Total    int64     `json:"total,omitempty"`
	Cached   bool      `json:"cached,omitempty"`
	Error    string    `json:"error,omitempty"`
	Canceled bool      `json:"canceled,omitempty"` // the step ended because of an interrupt or another step's error
	Inputs   []int     `json:"inputs,omitempty"`   // Needs: the steps that this one depends on
}

// Recorded returns a Display that shows the same as d, and passes each event to keep. Calls of
// keep do not overlap, and it must not retain Data.
func Recorded(d Display, keep func(Event)) Display { return &recorded{Display: d, keep: keep} }

type recorded struct {
	Display
	keep  func(Event)
	mutex sync.Mutex
	first error // of the step that failed first
}

func (r *recorded) record(e Event) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	e.At = time.Now().UTC()
	r.keep(e)
}

func (r *recorded) Begin(id int, name string) {
	r.record(Event{Kind: Begin, ID: id, Text: name})
	r.Display.Begin(id, name)
}

func (r *recorded) Output(id int, p []byte) {
	r.record(Event{Kind: Output, ID: id, Data: p})
	r.Display.Output(id, p)
}

func (r *recorded) Count(id int, what string, done, total int64) {
	r.record(Event{Kind: Count, ID: id, Text: what, Done: done, Total: total})
	r.Display.Count(id, what, done, total)
}

func (r *recorded) Did(id int, what string) {
	r.record(Event{Kind: Did, ID: id, Text: what})
	r.Display.Did(id, what)
}

func (r *recorded) End(id int, cached bool, err error) {
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

func (r *recorded) Needs(id int, inputs []int) {
	r.record(Event{Kind: Needs, ID: id, Inputs: inputs})
	r.Display.Needs(id, inputs)
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
	out := event{at: e.At, id: e.ID, text: e.Text, data: e.Data, done: e.Done, total: e.Total, cached: e.Cached, inputs: e.Inputs}
	switch e.Kind {
	case Begin:
		out.kind = begin
	case Output:
		out.kind = output
	case Count:
		out.kind = counted
	case Did:
		out.kind = did
	case End:
		out.kind = ended
	case Needs:
		out.kind = needed
	default:
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
		v = newPlain(time.Time{})
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
		if v.waiting() < plenty {
			continue
		}
		if _, err := out.Write(v.frame(last, size{}, false)); err != nil {
			return err
		}
	}
	_, err := out.Write(append(v.frame(last, size{}, true), v.end()...))
	return err
}

// Failures returns the last lines of the steps that failed, without control sequences.
func Failures(events iter.Seq[Event]) string {
	b := newBoard(time.Time{})
	for recorded := range events {
		if e, ok := recorded.event(); ok {
			b.apply(&e, nil)
		}
	}
	return b.failures()
}

// isCanceled reports whether a step failed because it was stopped. Steps that are stopped
// because another one failed often end with the error of that one, first.
func isCanceled(err, first error) bool {
	return errors.Is(err, context.Canceled) || first != nil && errors.Is(err, first)
}
