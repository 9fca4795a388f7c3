package progress

import (
	"fmt"
	"strings"
	"time"
)

// An event is one call of a Sink method.
type event struct {
	at          time.Time
	kind        Kind
	id          int
	text        string // Begin: the name; Count, Note: what
	data        []byte // Output; only valid while the event is applied
	done, total int64
	cached      bool
	err         error
	warning     *VertexWarning
	inputs      []int // Inputs: the steps that this one depends on
}

const keptLines = 20 // lines kept of a step, in case it fails

// A step is the state of one step.
type step struct {
	number int // by first appearance, starting at 1
	name   string
	begun  time.Time
	took   time.Duration // if it ended
	status status
	err    string

	program cleaner
	lines   []line // the last ones, at most twice keep
	counts  []count
	notes   []string
}

type status int

const (
	running status = iota
	done
	cached
	failed
	canceled
)

type line struct {
	after time.Duration // since the step began
	text  string
}

type count struct {
	what        string
	title       string // what in the user's language
	done, total int64
}

// elapsed is how long the step took, or has taken so far.
func (s *step) elapsed(now time.Time) time.Duration {
	if s.status == running {
		return now.Sub(s.begun)
	}
	return s.took
}

// tail returns the last n lines, including an incomplete one.
func (s *step) tail(n int) []line {
	out := s.lines
	if text := s.program.incompleteLine(); text != "" {
		out = append(out[:len(out):len(out)], line{text: text})
	}
	return out[max(0, len(out)-n):]
}

func (s *step) addLine(at time.Time, text string) line {
	if len(s.lines) == 2*keptLines {
		s.lines = append(s.lines[:0], s.lines[keptLines:]...)
	}
	l := line{at.Sub(s.begun), text}
	s.lines = append(s.lines, l)
	return l
}

func (b *stepList) setCount(s *step, e *event) {
	what := cleanLine(e.text)
	c := s.findCount(what)
	if c == nil {
		s.counts = append(s.counts, count{what: what, title: b.translate(what)})
		c = &s.counts[len(s.counts)-1]
	}
	c.done, c.total = e.done, e.total
}

func (s *step) findCount(what string) *count {
	for i := range s.counts {
		if s.counts[i].what == what {
			return &s.counts[i]
		}
	}
	return nil
}

// A stepList holds the state of all steps.
type stepList struct {
	activity string // the first word of the header
	begun    time.Time
	steps    []*step
	byID     map[int]*step
	first    error // of the step that failed first

	toLanguage func(string) string // nil: English
}

// translate returns a text in the user's language. The words of a step's state, such as CACHED, stay as they
// are in docker's output.
func (b *stepList) translate(text string) string {
	if b.toLanguage == nil {
		return text
	}
	return b.toLanguage(text)
}

// title returns the name of a step, translated unless it is an instruction of a Dockerfile.
func (b *stepList) title(name string) string {
	const internal = "[internal] "
	if rest, ok := strings.CutPrefix(name, internal); ok {
		return internal + b.translate(rest)
	}
	if strings.HasPrefix(name, "[") {
		return name
	}
	return b.translate(name)
}

func newStepList(now time.Time) *stepList {
	return &stepList{activity: "Building", begun: now, byID: map[int]*step{}}
}

// apply applies an event, and calls printed for each line of output that it completes. It
// returns the step, or nil if there is none.
func (b *stepList) apply(e *event, printed func(*step, line)) *step {
	if e.kind == Warning || e.kind == Inputs { // the findings are listed at the end of the build
		return nil
	}
	if e.kind == Begin {
		s := &step{number: len(b.steps) + 1, name: b.title(cleanLine(e.text)), begun: e.at}
		b.steps, b.byID[e.id] = append(b.steps, s), s
		return s
	}
	s := b.byID[e.id]
	if s == nil || s.status != running {
		return nil
	}
	emit := func(text string) {
		l := s.addLine(e.at, text)
		if printed != nil {
			printed(s, l)
		}
	}
	switch e.kind {
	case Output:
		s.program.write(e.data, emit)
	case Count:
		b.setCount(s, e)
	case Note:
		s.notes = append(s.notes, b.translate(cleanLine(e.text)))
	case End:
		s.program.flush(emit)
		s.took = e.at.Sub(s.begun)
		s.status = b.endStatus(e)
		if e.err != nil {
			first, _, _ := strings.Cut(e.err.Error(), "\n") // the other lines are shown at the end of the build
			s.err = b.translate(cleanLine(first))
		}
	}
	return s
}

// endStatus returns the state of a step after its end event.
func (b *stepList) endStatus(e *event) status {
	switch {
	case e.err == nil && e.cached:
		return cached
	case e.err == nil:
		return done
	case isCanceled(e.err, b.first):
		return canceled
	}
	if b.first == nil {
		b.first = e.err
	}
	return failed
}

// formatFailures formats the last lines of the failed steps, between rules.
func (b *stepList) formatFailures() string {
	var out strings.Builder
	for _, s := range b.steps {
		lines := s.tail(keptLines)
		if s.status != failed || len(lines) == 0 { // a step without output has only its error
			continue
		}
		fmt.Fprintf(&out, "------\n > %s:\n", s.name)
		for _, l := range lines {
			fmt.Fprintf(&out, "%.3f %s\n", l.after.Seconds(), l.text)
		}
		out.WriteString("------\n")
	}
	return out.String()
}
