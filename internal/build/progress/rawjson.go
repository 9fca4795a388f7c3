package progress

import (
	"bytes"
	"encoding/json"
	"time"
)

// rawJSON is each event as an object on a line of its own.
type rawJSON struct{ out bytes.Buffer }

// An object is an event. Data is base64: a program's output need not be text.
type object struct {
	Time   time.Time `json:"time"`
	Event  string    `json:"event"` // begin, output, count, did or end
	ID     int       `json:"id"`
	Name   string    `json:"name,omitempty"`
	Data   []byte    `json:"data,omitempty"`
	What   string    `json:"what,omitempty"`
	Done   *int64    `json:"done,omitempty"`
	Total  *int64    `json:"total,omitempty"`
	Cached *bool     `json:"cached,omitempty"`
	Error  string    `json:"error,omitempty"`
}

func (r *rawJSON) apply(e *event) {
	o := object{Time: e.at.UTC(), ID: e.id}
	switch e.kind {
	case begin:
		o.Event, o.Name = "begin", e.text
	case output:
		o.Event, o.Data = "output", e.data
	case counted:
		o.Event, o.What, o.Done, o.Total = "count", e.text, &e.done, &e.total
	case did:
		o.Event, o.What = "did", e.text
	case ended:
		o.Event, o.Cached = "end", &e.cached
		if e.err != nil {
			o.Error = e.err.Error()
		}
	}
	_ = json.NewEncoder(&r.out).Encode(o) // neither the type nor the buffer can fail
}

func (r *rawJSON) waiting() int { return r.out.Len() }

func (r *rawJSON) frame(time.Time, size, bool) []byte {
	text := bytes.Clone(r.out.Bytes())
	r.out.Reset()
	return text
}

func (r *rawJSON) end() []byte { return nil }
