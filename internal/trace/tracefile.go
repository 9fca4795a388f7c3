package trace

// This file writes what was measured: events for Perfetto, a page, a table.

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/minirun/minirun/internal/atomicfile"
	"github.com/minirun/minirun/internal/termtext"
)

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
		e := event{
			Name: s.Name, Phase: "X", Cat: s.Group, TS: s.Begin, Dur: s.Length, Pid: 1, Tid: process,
			Args: map[string]string{"source": s.Source, "why": s.Why},
		}
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
	fmt.Fprintf(&out, "container %s: %d steps took %.0f µs, the rest of minirun's work %.0f µs\n\n", t.id, steps,
		inside, outside)
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
		fmt.Fprintf(&out, "%9.1f  %-8s %s  (%s)\n", s.Length, who, s.Name, requester(s.Source))
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
