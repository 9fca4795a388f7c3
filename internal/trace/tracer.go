// Package trace shows a container's start while it happens. Everything it shows comes
// from the steps that run and from the results that the kernel returns: there is no
// other text.
//
//	Explainer  run --explain   narrates, and reads back what was requested
//	Debugger   step            stops before steps, and examines the process
//	Tracer     run --trace     times each step
//
// Each is a observer.Observer. Facts about the process come from package inspect, which
// reads them from outside, in /proc. WritePlan and DiffPlans print plans without
// running them.
package trace

import (
	_ "embed"
	"errors"
	"fmt"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/container/observer"
	"github.com/minirun/minirun/internal/plan"
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
// The file is written when the program has run, so its directory is checked now.
func NewTracer(file string) (*Tracer, error) {
	format := strings.TrimPrefix(filepath.Ext(file), ".")
	if format != "json" && format != "html" && format != "txt" {
		return nil, fmt.Errorf("--trace %q: the name must end in .json (for Perfetto), "+
			".html (a page) or .txt (the slowest steps)", file)
	}
	dir := filepath.Dir(file)
	switch err := unix.Access(dir, unix.W_OK|unix.X_OK); {
	case errors.Is(err, unix.ENOENT):
		return nil, fmt.Errorf("--trace %q: directory %s does not exist\nhint: mkdir -p %[2]s", file, dir)
	case err != nil:
		return nil, fmt.Errorf("--trace %q: cannot write to directory %s: %w", file, dir, err)
	}
	return &Tracer{file: file, format: format, begin: time.Now()}, nil
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
		spans = append(spans, Span{
			Name: a.What, Why: a.Why, Source: a.Source, Group: group, Step: -1,
			Begin: since(a.Begin), Length: since(t.ends[i]) - since(a.Begin),
		})
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
		spans = append(spans, Span{
			Name: s.Name, Call: t.plan.CallText(s), Why: s.Why, Source: s.Source, Group: s.Group.String(), Step: i,
			Begin: at, Length: since(t.times[ran[k+1]]) - at,
		})
	}
	sort.SliceStable(spans, func(a, b int) bool { return spans[a].Begin < spans[b].Begin })
	return spans
}
