package progress

import (
	"fmt"
	"strings"
	"time"
)

// The kinds of events.
const (
	begin = iota
	output
	counted
	did
	ended
	warned
	needed
)

// An event is one call of a Sink method.
type event struct {
	at          time.Time
	kind, id    int
	text        string // begin: the name; counted, did: what
	data        []byte // output; only valid while the event is applied
	done, total int64
	cached      bool
	err         error
	warning     *VertexWarning
	inputs      []int // needed: the steps that this one depends on
}

const keep = 20 // lines kept of a step, in case it fails

// A step is the state of one step.
type step struct {
	number int // by first appearance, starting at 1
	name   string
	begun  time.Time
	took   time.Duration // if it has ended
	state  state
	err    string

	program cleaner
	lines   []line // the last ones, at most twice keep
	counts  []count
	did     []string
}

type state int

const (
	running state = iota
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
	done, total int64
}

// time is how long the step took, or has taken so far.
func (s *step) time(now time.Time) time.Duration {
	if s.state == running {
		return now.Sub(s.begun)
	}
	return s.took
}

// tail returns the last n lines, including an incomplete one.
func (s *step) tail(n int) []line {
	out := s.lines
	if text := s.program.open(); text != "" {
		out = append(out[:len(out):len(out)], line{text: text})
	}
	return out[max(0, len(out)-n):]
}

func (s *step) print(at time.Time, text string) line {
	if len(s.lines) == 2*keep {
		s.lines = append(s.lines[:0], s.lines[keep:]...)
	}
	l := line{at.Sub(s.begun), text}
	s.lines = append(s.lines, l)
	return l
}

func (s *step) counted(e *event) {
	what := clean(e.text)
	c := s.find(what)
	if c == nil {
		s.counts = append(s.counts, count{what: what})
		c = &s.counts[len(s.counts)-1]
	}
	c.done, c.total = e.done, e.total
}

func (s *step) find(what string) *count {
	for i := range s.counts {
		if s.counts[i].what == what {
			return &s.counts[i]
		}
	}
	return nil
}

// A board holds the state of all steps.
type board struct {
	activity string // the first word of the header
	begun    time.Time
	steps    []*step
	byID     map[int]*step
	first    error // of the step that failed first
}

func newBoard(now time.Time) *board {
	return &board{activity: "Building", begun: now, byID: map[int]*step{}}
}

// apply applies an event, and calls printed for each line of output that it completes. It
// returns the step, or nil if there is none.
func (b *board) apply(e *event, printed func(*step, line)) *step {
	if e.kind == warned || e.kind == needed { // the findings are listed at the end of the build
		return nil
	}
	if e.kind == begin {
		s := &step{number: len(b.steps) + 1, name: clean(e.text), begun: e.at}
		b.steps, b.byID[e.id] = append(b.steps, s), s
		return s
	}
	s := b.byID[e.id]
	if s == nil || s.state != running {
		return nil
	}
	tell := func(text string) {
		l := s.print(e.at, text)
		if printed != nil {
			printed(s, l)
		}
	}
	switch e.kind {
	case output:
		s.program.write(e.data, tell)
	case counted:
		s.counted(e)
	case did:
		s.did = append(s.did, clean(e.text))
	case ended:
		s.program.close(tell)
		s.took = e.at.Sub(s.begun)
		s.state = b.ended(e)
		if e.err != nil {
			first, _, _ := strings.Cut(e.err.Error(), "\n") // the other lines are shown at the end of the build
			s.err = clean(first)
		}
	}
	return s
}

// ended returns the state of a step after its end event.
func (b *board) ended(e *event) state {
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

// failures formats the last lines of the failed steps, between rules.
func (b *board) failures() string {
	var out strings.Builder
	for _, s := range b.steps {
		if s.state != failed {
			continue
		}
		fmt.Fprintf(&out, "------\n > %s:\n", s.name)
		for _, l := range s.tail(keep) {
			fmt.Fprintf(&out, "%.3f %s\n", l.after.Seconds(), l.text)
		}
		out.WriteString("------\n")
	}
	return out.String()
}
