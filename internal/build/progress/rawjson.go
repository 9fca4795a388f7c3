package progress

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"

	"github.com/opencontainers/go-digest"
)

// rawJSON writes each event like docker buildx build --progress rawjson: one object per line,
// in the form of BuildKit's client.SolveStatus. A vertex, which is a step, is written when it
// starts, and again when it is complete.
type rawJSON struct {
	out   bytes.Buffer
	steps map[int]*rawStep
	first digest.Digest // of the first vertex, which loads the Dockerfile
	needs map[int][]int // dependencies of steps that have not started
}

// A rawStep is a vertex with its statuses by ID.
type rawStep struct {
	vertex   vertex
	statuses map[string]time.Time // when they started
}

// The JSON names are BuildKit's.
type (
	solveStatus struct {
		Vertexes []vertex        `json:"vertexes,omitempty"`
		Statuses []vertexStatus  `json:"statuses,omitempty"`
		Logs     []vertexLog     `json:"logs,omitempty"`
		Warnings []VertexWarning `json:"warnings,omitempty"`
	}
	vertex struct {
		Digest    digest.Digest   `json:"digest"`
		Inputs    []digest.Digest `json:"inputs,omitempty"`
		Name      string          `json:"name"`
		Started   *time.Time      `json:"started,omitempty"`
		Completed *time.Time      `json:"completed,omitempty"`
		Cached    bool            `json:"cached,omitempty"`
		Error     string          `json:"error,omitempty"`
	}
	vertexStatus struct {
		ID        string        `json:"id"`
		Vertex    digest.Digest `json:"vertex"`
		Total     int64         `json:"total,omitempty"`
		Current   int64         `json:"current"`
		Timestamp time.Time     `json:"timestamp"`
		Started   *time.Time    `json:"started,omitempty"`
		Completed *time.Time    `json:"completed,omitempty"`
	}
	vertexLog struct {
		Vertex    digest.Digest `json:"vertex"`
		Stream    int           `json:"stream"`
		Data      []byte        `json:"data"` // in base64: the output of a program may not be text
		Timestamp time.Time     `json:"timestamp"`
	}
)

// A VertexWarning is a finding of the linter, in BuildKit's form. Texts are in base64.
type VertexWarning struct {
	Vertex     digest.Digest `json:"vertex,omitempty"`
	Level      int           `json:"level"`
	Short      []byte        `json:"short"`
	Detail     [][]byte      `json:"detail,omitempty"`
	URL        string        `json:"url,omitempty"`
	SourceInfo *SourceInfo   `json:"sourceInfo,omitempty"`
	Range      []SourceRange `json:"range,omitempty"`
}

// SourceInfo is the file to which a finding refers.
type SourceInfo struct {
	Filename string `json:"filename"`
	Data     []byte `json:"data"`
	Language string `json:"language,omitempty"`
}

// A SourceRange is a range of consecutive lines of a file, counted from 1.
type SourceRange struct {
	Start SourceLine `json:"start"`
	End   SourceLine `json:"end"`
}

// A SourceLine is a line number.
type SourceLine struct {
	Line int `json:"line"`
}

// outputStream is standard output. RUN uses one pipe for it and for standard error, which
// preserves the order of the program's output.
const outputStream = 1

func (r *rawJSON) apply(e *event) {
	at := e.at.UTC()
	switch e.kind {
	case Warning:
		w := *e.warning
		w.Vertex = r.first
		r.write(solveStatus{Warnings: []VertexWarning{w}})
		return
	case Inputs:
		if r.needs == nil {
			r.needs = map[int][]int{}
		}
		r.needs[e.id] = e.inputs
		return
	case Begin:
		r.startVertex(e.id, e.text, at)
		return
	}
	s := r.steps[e.id]
	if s == nil || s.vertex.Completed != nil {
		return
	}
	switch e.kind {
	case Output:
		r.write(solveStatus{Logs: []vertexLog{{s.vertex.Digest, outputStream, e.data, at}}})
	case Count:
		r.writeStatus(s, vertexStatus{ID: e.text, Total: e.total, Current: e.done}, e.total > 0 && e.done >= e.total, at)
	case Note:
		r.writeStatus(s, vertexStatus{ID: e.text}, true, at)
	case End:
		s.vertex.Completed, s.vertex.Cached = &at, e.cached
		if e.err != nil {
			s.vertex.Error = e.err.Error()
		}
		r.write(solveStatus{Vertexes: []vertex{s.vertex}})
	}
}

// startVertex writes a vertex. Its digest identifies the step, not the step's inputs.
func (r *rawJSON) startVertex(id int, name string, at time.Time) {
	if r.steps == nil {
		r.steps = map[int]*rawStep{}
	}
	v := vertex{
		Digest: digest.FromString("minirun step " + strconv.Itoa(id) + "\x00" + name), Name: name, Started: &at,
	}
	for _, id := range r.needs[id] {
		if s := r.steps[id]; s != nil {
			v.Inputs = append(v.Inputs, s.vertex.Digest)
		}
	}
	delete(r.needs, id)
	if r.first == "" {
		r.first = v.Digest
	}
	r.steps[id] = &rawStep{vertex: v, statuses: map[string]time.Time{}}
	r.write(solveStatus{Vertexes: []vertex{v}})
}

func (r *rawJSON) writeStatus(s *rawStep, v vertexStatus, complete bool, at time.Time) {
	started, known := s.statuses[v.ID]
	if !known {
		started = at
		s.statuses[v.ID] = at
	}
	v.Vertex, v.Timestamp, v.Started = s.vertex.Digest, at, &started
	if complete {
		v.Completed = &at
	}
	r.write(solveStatus{Statuses: []vertexStatus{v}})
}

func (r *rawJSON) write(s solveStatus) {
	_ = json.NewEncoder(&r.out).Encode(s) // neither the type nor the buffer can fail
}

func (r *rawJSON) pendingBytes() int { return r.out.Len() }

func (r *rawJSON) frame(time.Time, size, bool) []byte {
	text := bytes.Clone(r.out.Bytes())
	r.out.Reset()
	return text
}

func (r *rawJSON) trailer() []byte { return nil }
