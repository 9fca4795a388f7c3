package trace

import (
	"fmt"
	"io"
	"time"

	"github.com/minirun/minirun/internal/container/observer"
	"github.com/minirun/minirun/internal/inspect"
	"github.com/minirun/minirun/internal/language"
	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/termtext"
)

// A Level is how much an Explainer narrates.
type Level uint8

// The levels of --explain-level.
const (
	Short  Level = iota // one line for each part of the plan
	Normal              // the important steps, and what the kernel reports after them
	Full                // each step
)

// ParseLevel returns the level with a name.
func ParseLevel(name string) (Level, error) {
	switch name {
	case "short":
		return Short, nil
	case "normal":
		return Normal, nil
	case "full":
		return Full, nil
	}
	return 0, fmt.Errorf("--explain-level %q: must be short, normal or full", name)
}

// An Explainer narrates a start: what is done, why, what the kernel answered, and what
// it reports afterwards. It shows a fact once, and again only if it has changed.
type Explainer struct {
	w     io.Writer
	level Level
	style style

	plan    *plan.Plan
	pid     int
	source  string    // of the last line
	pending stepGroup // steps that have run and are not narrated yet
	minor   int       // steps among them that are not important
	before  inspect.Facts
	shown   map[string]string // values of /proc/PID/status
	seen    map[string]bool   // commands for the reader
}

// NewExplainer writes to w.
func NewExplainer(w io.Writer, level Level) *Explainer {
	return &Explainer{w: termtext.NewWriter(language.NewWriter(w)), level: level, style: newStyle(w), source: "\x00",
		shown: map[string]string{}, seen: map[string]bool{}}
}

// Born makes the plan stop before each step.
func (e *Explainer) Born(b observer.Start) *plan.Observed {
	e.plan = b.Plan
	fmt.Fprintf(e.w, "%scontainer %s: a plan of %d steps%s", e.style.bold, b.ID, len(b.Plan.Steps), e.style.off)
	if e.level == Short {
		fmt.Fprintf(e.w, "%s %s%s", e.style.dim, language.Text("(--explain-level normal or full shows them)"), e.style.off)
	}
	fmt.Fprintln(e.w)
	return b.Plan.Observe()
}

// Did narrates what minirun has done.
func (e *Explainer) Did(a observer.Action) {
	e.flush()
	if e.level == Short {
		e.line("minirun", truncate(language.Text(a.What), 82))
		return
	}
	e.heading(a.Source)
	fmt.Fprintf(e.w, "  %sminirun%s  %s\n", e.style.dim, e.style.off, a.What)
	if a.Why != "" {
		e.note(a.Why)
	}
	for _, v := range a.Values {
		if e.level == Normal && !v.Program && !readable(v.File) {
			continue // another file shows the effect of these
		}
		e.heading(v.Source)
		e.readBack(v)
	}
}

// heading prints the reason for what follows, once.
func (e *Explainer) heading(source string) {
	if source == e.source {
		return
	}
	e.source = source
	fmt.Fprintf(e.w, "%s%s%s\n", e.style.bold, requester(source), e.style.off)
}

// Stopped narrates the step that has run, or keeps it until those of the same kind
// that follow it have run too.
func (e *Explainer) Stopped(at observer.Stop) error {
	e.pid = at.Pid
	if at.Last < 0 {
		e.before = inspect.ReadFacts(at.Pid)
		return nil
	}
	s := &e.plan.Steps[at.Last]
	if e.level != Full && (isMinor(s) || at.Result < 0) {
		e.minor++
	} else {
		e.pending.add(at.Last, s, at.Result)
	}
	if next := e.nextImportant(at.Next); len(e.pending.steps) > 0 && (next == nil || !e.together(next)) {
		e.flush()
	}
	return nil
}

// nextImportant returns the next step to be narrated if no step from i on fails, nil if
// there is none.
func (e *Explainer) nextImportant(i int) *plan.Step {
	for range e.plan.Steps {
		if i >= len(e.plan.Steps) {
			return nil
		}
		s := &e.plan.Steps[i]
		if e.level == Full || !isMinor(s) {
			return s
		}
		i = s.Next
	}
	return nil
}

// together reports whether a step is narrated together with those that are pending.
func (e *Explainer) together(next *plan.Step) bool {
	last := e.pending.steps[len(e.pending.steps)-1]
	switch e.level {
	case Short:
		return linePart(last) == linePart(next)
	case Normal:
		return sameKind(last, next)
	}
	return sameExceptNumber(last, next)
}

// flush narrates the pending steps.
func (e *Explainer) flush() {
	g, minor := e.pending, e.minor
	if len(g.steps) == 0 {
		return
	}
	e.pending, e.minor = stepGroup{}, 0
	if e.level == Short {
		count := language.Text(fmt.Sprintf("%3d steps", len(g.steps)+minor))
		if len(g.steps)+minor == 1 {
			count = language.Text("  1 step ")
		}
		e.line(linePart(g.steps[0]), count+"  "+describeSteps(g.steps, 72))
		e.reportPart()
		return
	}
	s := g.steps[0]
	e.heading(s.Source)
	fmt.Fprintf(e.w, "  %sinit%s %3d ", e.style.dim, e.style.off, g.last)
	switch {
	case len(g.steps) > 1 && e.level == Full:
		fmt.Fprintf(e.w, "%s: %s\n", g.names(), g.calls(e.plan))
	case len(g.steps) > 1:
		fmt.Fprintf(e.w, "%s: %s\n", describeSteps(g.steps, 80), g.calls(e.plan))
	default:
		fmt.Fprintf(e.w, "%s: %s = %s\n", s.Name, e.plan.CallText(s), resultText(e.plan, g.last, g.results[0]))
	}
	if s.Why != "" {
		e.note(s.Why)
	}
	if g.results[len(g.results)-1] >= 0 {
		e.readBackStep(e.pid, s)
	}
}

// line prints a line of the short narration.
func (e *Explainer) line(subject, text string) {
	fmt.Fprintf(e.w, "  %s%-12s%s  %s\n", e.style.dim, subject, e.style.off, text)
}

// note prints a line of secondary importance.
func (e *Explainer) note(text string) {
	fmt.Fprintf(e.w, "           %s%s%s\n", e.style.dim, text, e.style.off)
}

// see prints a command with which the reader can check, the first time that it fits.
func (e *Explainer) see(command string) {
	if !e.seen[command] {
		e.seen[command] = true
		e.note("see it: " + command)
	}
}

// Stamped is never called: the plan has no timestamps.
func (e *Explainer) Stamped([]time.Time) {}
