package records

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"maps"
	"os"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/minirun/minirun/internal/build/progress"
)

// Limits of a record. After a build's log is full, only the end of each step's output is kept.
const (
	maxOutput = 1 << 20  // bytes of output in a log
	maxTail   = 32 << 10 // bytes of a step's output after that
	maxLog    = 8 << 20  // bytes of a log
	maxLine   = 4 << 20  // bytes of a line in a log: longer ones mean that it is damaged
	maxName   = 4 << 10  // bytes of a step's name
	maxError  = 16 << 10 // bytes of an error
)

// truncate truncates a text at the end of a rune.
func truncate(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return string(bytes.ToValidUTF8([]byte(text[:most]), nil)) + "…"
}

func newLineScanner(r io.Reader) *bufio.Scanner {
	s := bufio.NewScanner(r)
	s.Buffer(nil, maxLine)
	return s
}

// A logLine is an event in a file.
type logLine struct {
	At       time.Duration `json:"at"` // since the build's start
	Kind     progress.Kind `json:"kind"`
	ID       int           `json:"id"`
	Text     string        `json:"text"`
	Data     []byte        `json:"data"`
	Done     int64         `json:"done"`
	Total    int64         `json:"total"`
	Cached   bool          `json:"cached"`
	Error    string        `json:"error"`
	Canceled bool          `json:"canceled"`
	Inputs   []int         `json:"inputs"`
}

// appendLine appends an event. It encodes by hand: the first use of encoding/json for a type
// takes longer than all events of a build that has nothing to do.
func appendLine(out []byte, e *progress.Event, started time.Time) []byte {
	out = strconv.AppendInt(append(out, `{"at":`...), int64(e.At.Sub(started)), 10)
	out = appendText(append(out, `,"kind":`...), string(e.Kind))
	out = strconv.AppendInt(append(out, `,"id":`...), int64(e.ID), 10)
	if e.Text != "" {
		out = appendText(append(out, `,"text":`...), e.Text)
	}
	if len(e.Data) > 0 {
		out = append(base64.StdEncoding.AppendEncode(append(out, `,"data":"`...), e.Data), '"')
	}
	if e.Kind == progress.Count {
		out = strconv.AppendInt(append(out, `,"done":`...), e.Done, 10)
		out = strconv.AppendInt(append(out, `,"total":`...), e.Total, 10)
	}
	if e.Cached {
		out = append(out, `,"cached":true`...)
	}
	if e.Error != "" {
		out = appendText(append(out, `,"error":`...), e.Error)
	}
	if e.Canceled {
		out = append(out, `,"canceled":true`...)
	}
	for i, n := range e.Inputs {
		out = strconv.AppendInt(append(out, [2]string{`,"inputs":[`, ","}[min(i, 1)]...), int64(n), 10)
	}
	if len(e.Inputs) > 0 {
		out = append(out, ']')
	}
	return append(out, "}\n"...)
}

// An object appends the fields of a JSON object. Empty fields are omitted.
type object struct{ out []byte }

func (o *object) startField(name string) {
	if o.out[len(o.out)-1] != '{' {
		o.out = append(o.out, ',')
	}
	o.out = append(appendText(o.out, name), ':')
}

func (o *object) addText(name, value string) {
	if value != "" {
		o.startField(name)
		o.out = appendText(o.out, value)
	}
}

func (o *object) addList(name string, values []string) {
	if len(values) == 0 {
		return
	}
	o.startField(name)
	for i, v := range values {
		o.out = appendText(append(o.out, "[,"[min(i, 1)]), v)
	}
	o.out = append(o.out, ']')
}

func (o *object) addPairs(name string, values map[string]string) {
	if len(values) == 0 {
		return
	}
	o.startField(name)
	inner := object{append(o.out, '{')}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		inner.startField(key)
		inner.out = appendText(inner.out, values[key])
	}
	o.out = append(inner.out, '}')
}

// appendText appends a JSON string. Bytes that are not UTF-8 become U+FFFD.
func appendText(out []byte, text string) []byte {
	out = append(out, '"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			out = append(out, '\\', byte(r))
		case r < ' ':
			out = fmt.Appendf(out, "\\u%04x", r)
		default:
			out = utf8.AppendRune(out, r)
		}
	}
	return append(out, '"')
}

// readEvents yields the events in a file, up to a line that is incomplete because the writer was
// killed.
func readEvents(lines *bufio.Scanner, started time.Time) iter.Seq[progress.Event] {
	return func(yield func(progress.Event) bool) {
		for lines.Scan() {
			var l logLine
			if json.Unmarshal(lines.Bytes(), &l) != nil {
				return
			}
			e := progress.Event{
				At: started.Add(l.At), Kind: l.Kind, ID: l.ID, Text: l.Text, Data: l.Data, Done: l.Done,
				Total:  l.Total,
				Cached: l.Cached, Error: l.Error, Canceled: l.Canceled, Inputs: l.Inputs,
			}
			if !yield(e) {
				return
			}
		}
	}
}

// Events calls do with the events of a build.
func (r *Record) Events(do func(iter.Seq[progress.Event]) error) error {
	f, err := os.Open(r.path)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := newLineScanner(f)
	lines.Scan() // skip the record
	return do(readEvents(lines, r.Started))
}

// A Step is one line of the progress: an instruction, or an internal step of the builder.
type Step struct {
	Name     string
	Started  time.Time
	Duration time.Duration // until the last event, if it has not ended
	Cached   bool
	Ended    bool // without an error
	Error    string
	Canceled bool
}

// Steps reads the steps of a build.
func (r *Record) Steps() (out []Step, err error) {
	running := map[int]int{} // number of a step → its index in out
	last := r.Started
	err = r.Events(func(events iter.Seq[progress.Event]) error {
		for e := range events {
			last = e.At
			i, ok := running[e.ID]
			switch {
			case e.Kind == progress.Begin:
				running[e.ID] = len(out)
				out = append(out, Step{Name: e.Text, Started: e.At})
			case e.Kind == progress.End && ok:
				delete(running, e.ID)
				s := &out[i]
				s.Duration, s.Ended, s.Error, s.Canceled = e.At.Sub(s.Started), e.Error == "", e.Error, e.Canceled
				s.Cached = e.Cached && s.Ended
			}
		}
		return nil
	})
	for _, i := range running {
		out[i].Duration = last.Sub(out[i].Started)
	}
	return out, err
}

// A tail is the end of a step's output after the build's log was full.
type tail struct {
	parts   []progress.Event
	size    int
	dropped int64
}

func (t *tail) add(e progress.Event) {
	e.Data = bytes.Clone(e.Data[max(0, len(e.Data)-maxTail):])
	t.parts = append(t.parts, e)
	t.size += len(e.Data)
	for t.size > maxTail && len(t.parts) > 1 {
		t.dropped += int64(len(t.parts[0].Data))
		t.size -= len(t.parts[0].Data)
		t.parts = t.parts[1:]
	}
}
