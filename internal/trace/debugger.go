package trace

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/console"

	"github.com/minirun/minirun/internal/container/observer"
	"github.com/minirun/minirun/internal/inspect"
	"github.com/minirun/minirun/internal/language"
	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/termtext"
)

// ErrAborted ends a container when the user quits the debugger.
var ErrAborted = errors.New("aborted")

// A Debugger stops a start before steps, shows the state, and executes commands: keys
// on a terminal, otherwise lines.
//
//	next (n, space)   run this step           list (l)      the steps around it
//	continue (c)      run all that are left   info (i)      the process: namespaces, mounts, capabilities
//	at X (a)          stop before X           shell (s)     a shell where the process is
//	until X (u)       stop after X            quit (q)      end it, and leave nothing
//	chapter (N)       run to the next one     chapters (L)  list them
//
// X is a step's number, a chapter, a call, a group, a JSON path, or part of a step's name.
type Debugger struct {
	w     io.Writer
	in    *os.File
	keys  bool
	style style

	plan     *plan.Plan
	running  *plan.Observed // what runs instead of plan
	chapters []chapter
	stop     func(next int) bool // nil: do not stop again
	first    Place               // parsed when there is a plan
	before   inspect.Facts
	began    bool  // before has been read
	bad      error // --at or --until does not name a step

	shownChapter int // index of the chapter that was introduced, -1: none
}

// A Place is a place to stop at, as a user writes it: a step's number, a chapter, a call, a
// group, a JSON path, or part of a step's name.
type Place struct {
	Text  string // "": the first step
	After bool   // stop after the last step that it names, not before the first
}

// NewDebugger reads commands from in, no further than necessary: the rest is the
// container's input. It stops at first for the first time.
func NewDebugger(w io.Writer, in *os.File, first Place) *Debugger {
	_, err := console.ConsoleFromFile(in)
	return &Debugger{w: termtext.NewWriter(language.NewWriter(w)), in: in, keys: err == nil, style: newStyle(w),
		first: first, shownChapter: -1}
}

// Born makes the plan stop before each step.
func (d *Debugger) Born(b observer.Start) *plan.Observed {
	d.plan, d.running, d.chapters = b.Plan, b.Plan.Observe(), findChapters(b.Plan)
	fmt.Fprintf(d.w, "%scontainer %s: %d steps%s. Type ? for help.\n", d.style.bold, b.ID, len(b.Plan.Steps),
		d.style.off)
	d.stop = func(int) bool { return true }
	if d.first.Text != "" {
		d.stop, d.bad = d.parsePlace(d.first, -1)
	}
	return d.running
}

// parsePlace returns a function that reports whether to stop before step next. The process
// waits before step here, -1 if it does not exist yet.
func (d *Debugger) parsePlace(p Place, here int) (func(next int) bool, error) {
	if isChapter(p.Text) {
		return d.parseChapter(p, here)
	}
	first, last := -1, -1
	for i := range d.plan.Steps {
		if !matches(i, &d.plan.Steps[i], p.Text) {
			continue
		}
		if first < 0 {
			first = i
		}
		last = i
	}
	if first < 0 {
		return nil, fmt.Errorf("no step is called %q: use a number, a chapter, a call, a group, a JSON path\n"+
			"or part of a name\n"+
			"hint: list shows the steps around this one, and minirun plan all of them", p.Text)
	}
	if p.After {
		return func(next int) bool { return next > last }, nil
	}
	return func(next int) bool { return next >= first && matches(next, &d.plan.Steps[next], p.Text) }, nil
}

// parseChapter is parsePlace for the name of a chapter. "until" also accepts the current one.
func (d *Debugger) parseChapter(p Place, here int) (func(next int) bool, error) {
	if p.After && here >= 0 && d.chapters[d.chapterOf(here)].name == p.Text {
		here = d.chapters[d.chapterOf(here)].first - 1
	}
	k, err := d.findChapter(p.Text, here)
	if err != nil {
		return nil, err
	}
	if p.After && k+1 < len(d.chapters) {
		k, err = k+1, d.checkReachable(k+1)
	} else if p.After {
		return func(int) bool { return false }, nil // execve ends the last chapter
	}
	return func(next int) bool { return d.chapterOf(next) >= k }, err
}

// matches reports whether a place names step i.
func matches(i int, s *plan.Step, text string) bool {
	if n, err := strconv.Atoi(text); err == nil {
		return i == n
	}
	rest, path := strings.CutPrefix(s.Source, text)
	return s.Call.Name() == text || s.Group.String() == text || path &&
		(rest == "" || rest[0] == '.' || rest[0] == '[') || strings.Contains(s.Name, text)
}

// Stopped shows where the process is, and executes commands until one of them
// continues it.
func (d *Debugger) Stopped(at observer.Stop) error {
	if d.bad != nil {
		return d.bad
	}
	if !d.began {
		d.before, d.began = inspect.ReadFacts(at.Pid), true
	}
	if d.stop == nil || at.Next >= len(d.plan.Steps) || !d.stop(at.Next) {
		return nil
	}
	d.showStop(at)
	for {
		words, err := d.readCommand(at)
		if err != nil {
			return err
		}
		if proceed, err := d.execute(at, words); err != nil || proceed {
			return err
		}
	}
}

// showStop prints what has happened since the last stop, and the next step.
func (d *Debugger) showStop(at observer.Stop) {
	if at.Last >= 0 {
		result := fmt.Sprintf("step %d returned %s", at.Last, resultText(d.plan, at.Last, at.Result))
		fmt.Fprintf(d.w, "%s%s%s\n", d.style.dim, language.Text(result), d.style.off)
	}
	now := inspect.ReadFacts(at.Pid)
	changes := now.Changes(d.before)
	for i, c := range changes {
		if i == 15 {
			fmt.Fprintf(d.w, "  %s… and %d more: info shows everything%s\n", d.style.dim, len(changes)-i, d.style.off)
			break
		}
		fmt.Fprintf(d.w, "  %s%s: %s%s\n", d.style.good, language.Text("changed"), c.Text, d.style.off)
	}
	d.before = now
	d.showChapter(at.Next)
	s := &d.plan.Steps[at.Next]
	title := language.Text(fmt.Sprintf("step %d", at.Next)) + ": " + language.Text(s.Name)
	fmt.Fprintf(d.w, "%s%s%s  [%s, %s]\n    %s\n", d.style.bold, title, d.style.off, s.Group,
		requester(s.Source), d.plan.Line(at.Next))
	if s.Why != "" {
		fmt.Fprintf(d.w, "    %s%s%s\n", d.style.dim, s.Why, d.style.off)
	}
	fmt.Fprintf(d.w, "    look in: %s\n             ls -l /proc/%d/root/ /proc/%[2]d/cwd/ /proc/%[2]d/fd\n",
		strings.Join(nsenterCommand(at.Pid), " "), at.Pid)
}

// Did reports what minirun has done since the last stop.
func (d *Debugger) Did(a observer.Action) {
	if d.stop != nil {
		fmt.Fprintf(d.w, "%sminirun: %s  [%s]%s\n", d.style.dim, truncate(language.Text(a.What), 160), requester(a.Source),
			d.style.off)
	}
}

// Stamped is never called: the plan has no timestamps.
func (d *Debugger) Stamped([]time.Time) {}
