package progress

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// pipeDisplay returns a plain display that writes to a pipe, and a function that closes it and
// returns its output.
func pipeDisplay(t *testing.T) (Display, func() string) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	output := make(chan string, 1)
	go func() {
		text, _ := io.ReadAll(r) // it ends when the pipe is closed
		output <- string(text)
	}()
	d, err := New("plain", w)
	if err != nil {
		t.Fatal(err)
	}
	return d, func() string {
		d.Close()
		_ = w.Close()
		return <-output
	}
}

// TestDisplayWritesNothingWhilePaused: the terminal belongs to another program; what happens
// meanwhile is shown afterwards.
func TestDisplayWritesNothingWhilePaused(t *testing.T) {
	d, finish := pipeDisplay(t)
	d.Begin(1, "first")
	d.Pause()
	l := d.(*liveDisplay)
	d.End(1, false, nil)
	d.Begin(2, "second")
	l.flush(false)
	l.state.Lock()
	pending := l.view.pendingBytes()
	l.state.Unlock()
	if pending == 0 {
		t.Error("the output of the pause was written")
	}
	d.Resume()
	d.End(2, true, nil)
	if got := finish(); !strings.Contains(got, "first") || !strings.Contains(got, "second\n#2 CACHED") {
		t.Errorf("%q", got)
	}
}

// TestDisplayCloseIsIdempotent: a deferred Close after another one writes nothing.
func TestDisplayCloseIsIdempotent(t *testing.T) {
	d, finish := pipeDisplay(t)
	d.Begin(1, "step")
	d.End(1, false, errors.New("bad"))
	d.Close()
	if got := finish(); strings.Count(got, "ERROR: bad") != 1 {
		t.Errorf("%q", got)
	}
}

// TestRecorderMarksCanceledSteps: steps that another one's error stopped are canceled, the first
// one failed.
func TestRecorderMarksCanceledSteps(t *testing.T) {
	var events []Event
	quiet, err := New("quiet", os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	d := NewRecorder(quiet, func(e Event) { events = append(events, e) })
	d.(InputSink).SetInputs(2, []int{1})
	d.Begin(1, "a")
	d.Note(1, "found")
	first := errors.New("first")
	d.End(1, false, first)
	d.End(2, false, errors.Join(first))
	d.End(3, false, context.Canceled)
	d.End(4, false, errors.New("second"))
	var kinds []Kind
	var canceled []bool
	for _, e := range events {
		kinds = append(kinds, e.Kind)
		if e.Kind == End {
			canceled = append(canceled, e.Canceled)
		}
	}
	if want := []Kind{Inputs, Begin, Note, End, End, End, End}; !slices.Equal(kinds, want) {
		t.Errorf("%q, want %q", kinds, want)
	}
	if want := []bool{false, true, true, false}; !slices.Equal(canceled, want) {
		t.Errorf("%v, want %v", canceled, want)
	}
}

// TestReplaySkipsUnknownKinds: a later version may have written events that this one does not know.
func TestReplaySkipsUnknownKinds(t *testing.T) {
	at := time.Unix(1, 0)
	events := []Event{
		{At: at, Kind: Begin, ID: 1, Text: "a step"}, {At: at, Kind: "future", ID: 1}, {At: at, Kind: Warning, ID: 1},
		{At: at, Kind: Output, ID: 1, Data: []byte("line\n")},
		{At: at.Add(time.Second), Kind: End, ID: 1, Error: "bad"},
	}
	for mode, want := range map[string]string{"plain": "#1 ERROR: bad", "rawjson": `"error":"bad"`} {
		var out bytes.Buffer
		if err := Replay(mode, &out, slices.Values(events)); err != nil || !strings.Contains(out.String(), want) {
			t.Errorf("%s: %v, %q", mode, err, out.String())
		}
	}
	if err := Replay("tty", io.Discard, slices.Values(events)); err == nil {
		t.Error("a record was replayed in place")
	}
	if got := Failures(slices.Values(events)); !strings.Contains(got, " > a step:\n0.000 line\n") {
		t.Errorf("%q", got)
	}
}
