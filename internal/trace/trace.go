package trace

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/minirun/minirun/internal/container/observer"

	"github.com/minirun/minirun/internal/atomicfile"
	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/termtext"
)

// A Tracer times a start. The new process reads the clock before each step, as steps
// of its plan, and reports the times before it becomes the program; of its last steps,
// and of those after a seccomp filter, minirun sees only the end.
type Tracer struct {
	file   string
	format string
	begin  time.Time
	id     string
	plan   *plan.Plan
	did    []observer.Action
	ends   []time.Time // of did
	times  []time.Time // of the plan's steps; the last is that of the report
}

// NewTracer writes to a file whose extension selects the format: .json, .html or .txt.
func NewTracer(file string) (*Tracer, error) {
	format := strings.TrimPrefix(filepath.Ext(file), ".")
	switch format {
	case "json", "html", "txt":
		return &Tracer{file: file, format: format, begin: time.Now()}, nil
	}
	return nil, fmt.Errorf("--trace %s: the name must end in .json (for Perfetto), .html (a page) or .txt (the slowest)", file)
}

// Born makes the plan read the clock.
func (t *Tracer) Born(b observer.Start) *plan.Observed {
	t.plan, t.id = b.Plan, b.ID
	return b.Plan.Stamp()
}

// Did records what minirun has done, and when.
func (t *Tracer) Did(a observer.Action) {
	t.did, t.ends = append(t.did, a), append(t.ends, time.Now())
}

// Stamped receives the times.
func (t *Tracer) Stamped(times []time.Time) { t.times = times }

// Stopped is never called: the plan does not stop.
func (t *Tracer) Stopped(observer.Stop) error { return nil }

// A Span is something that took time.
type Span struct {
	Name   string  `json:"name"`
	Call   string  `json:"call,omitempty"`
	Why    string  `json:"why,omitempty"`
	Source string  `json:"source,omitempty"`
	Group  string  `json:"group"` // of the step; "minirun" for minirun's own work, "program" for the program's run time
	Step   int     `json:"step"`  // -1 for minirun
	Begin  float64 `json:"begin"` // microseconds since minirun started the trace
	Length float64 `json:"length"`
}

// Spans returns everything that was measured, in chronological order.
func (t *Tracer) Spans() (spans []Span) {
	since := func(at time.Time) float64 { return float64(at.Sub(t.begin).Nanoseconds()) / 1000 }
	for i, a := range t.did {
		group := "minirun"
		if a.Kind == observer.ProgramExited {
			group = "program"
		}
		spans = append(spans, Span{a.What, "", a.Why, a.Source, group, -1, since(a.Begin), since(t.ends[i]) - since(a.Begin)})
	}
	// A step lasts until the clock is read before the next one that ran.
	var ran []int
	for i := range t.times {
		if !t.times[i].IsZero() {
			ran = append(ran, i)
		}
	}
	sort.SliceStable(ran, func(a, b int) bool { return t.times[ran[a]].Before(t.times[ran[b]]) })
	for k, i := range ran {
		if k+1 == len(ran) {
			break // the report
		}
		s := &t.plan.Steps[i]
		at := since(t.times[i])
		spans = append(spans, Span{s.Name, t.plan.CallText(s), s.Why, s.Source, s.Group.String(), i, at, since(t.times[ran[k+1]]) - at})
	}
	sort.SliceStable(spans, func(a, b int) bool { return spans[a].Begin < spans[b].Begin })
	return spans
}

// Write writes the file.
func (t *Tracer) Write() error {
	if t.plan == nil {
		return nil // nothing was started
	}
	var text string
	var err error
	switch t.format {
	case "json":
		text, err = t.events()
	case "html":
		text, err = t.page()
	default:
		text = t.slowest(10)
	}
	if err == nil {
		err = writeOutput(t.file, text)
	}
	if err != nil {
		return fmt.Errorf("--trace: %w", err)
	}
	return nil
}

func writeOutput(path, text string) error {
	f, err := atomicfile.Create(path, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return f.Done(err)
}

// events is the Trace Event Format, which Perfetto and chrome://tracing read.
func (t *Tracer) events() (string, error) {
	type event struct {
		Name  string            `json:"name"`
		Phase string            `json:"ph"`
		Cat   string            `json:"cat,omitempty"`
		TS    float64           `json:"ts"`
		Dur   float64           `json:"dur,omitempty"`
		Pid   int               `json:"pid"`
		Tid   int               `json:"tid"`
		Args  map[string]string `json:"args,omitempty"`
	}
	const minirun, process = 1, 2
	name := func(tid int, text string) event {
		return event{Name: "thread_name", Phase: "M", Pid: 1, Tid: tid, Args: map[string]string{"name": text}}
	}
	events := []event{
		{Name: "process_name", Phase: "M", Pid: 1, Args: map[string]string{"name": "container " + t.id}},
		name(minirun, "minirun"), name(process, "the new process"),
	}
	for _, s := range t.Spans() {
		e := event{s.Name, "X", s.Group, s.Begin, s.Length, 1, process, map[string]string{"source": s.Source, "why": s.Why}}
		if s.Step < 0 {
			e.Tid = minirun
		} else {
			e.Args["call"], e.Args["step"] = s.Call, fmt.Sprint(s.Step)
		}
		events = append(events, e)
	}
	text, err := json.Marshal(map[string]any{"traceEvents": events, "displayTimeUnit": "ns"})
	return string(text) + "\n", err
}

// slowest returns a table of the n longest spans.
func (t *Tracer) slowest(n int) string {
	spans := t.Spans()
	var out strings.Builder
	steps, inside, outside := 0, 0.0, 0.0
	for _, s := range spans {
		switch {
		case s.Group == "program":
		case s.Step < 0:
			outside += s.Length
		default:
			steps, inside = steps+1, inside+s.Length
		}
	}
	fmt.Fprintf(&out, "container %s: %d steps took %.0f µs, the rest of minirun's work %.0f µs\n\n", t.id, steps, inside, outside)
	spans = slices.DeleteFunc(spans, func(s Span) bool { return s.Group == "program" })
	sort.SliceStable(spans, func(a, b int) bool { return spans[a].Length > spans[b].Length })
	fmt.Fprintf(&out, "%9s  %-8s %s\n", "µs", "step", "")
	for i, s := range spans {
		if i == n {
			break
		}
		who := "minirun"
		if s.Step >= 0 {
			who = fmt.Sprint(s.Step)
		}
		fmt.Fprintf(&out, "%9.1f  %-8s %s  (%s)\n", s.Length, who, s.Name, where(s.Source))
	}
	return termtext.Text(out.String())
}

//go:embed trace.html
var tracePage string

// page returns a self-contained page: no network, no library.
func (t *Tracer) page() (string, error) {
	data, err := json.Marshal(t.Spans())
	if err != nil {
		return "", err
	}
	// encoding/json escapes < and >, so nothing in it ends the script; an ID contains
	// neither.
	return strings.NewReplacer("{{title}}", "container "+t.id, "{{spans}}", string(data)).Replace(tracePage), nil
}
