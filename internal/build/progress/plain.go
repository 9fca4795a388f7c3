package progress

import (
	"bytes"
	"fmt"
	"strings"
	"time"
)

// plainView is a log. It groups the lines of a step: other steps wait until the current one
// ends, prints nothing for a while, or until they have many lines pending.
type plainView struct {
	*stepList
	logs      map[*step]*stepLog
	current   *stepLog
	lastPrint time.Time // time of the current step's last line
	out       bytes.Buffer
}

// An stepLog holds a step's lines that are not printed yet.
type stepLog struct {
	step    *step
	started bool // its name has been printed
	pending bytes.Buffer
	ended   bool
}

const (
	switchDelay = time.Second
	backlog     = 64 << 10 // bytes
)

func newPlainView(now time.Time) *plainView {
	return &plainView{stepList: newStepList(now), logs: map[*step]*stepLog{}}
}

func (p *plainView) pendingBytes() int { return p.out.Len() }

func (p *plainView) apply(e *event) {
	s := p.stepList.apply(e, func(s *step, l line) {
		fmt.Fprintf(&p.logs[s].pending, "#%d %.3f %s\n", s.number, l.after.Seconds(), l.text)
	})
	if s == nil {
		return
	}
	log := p.logs[s]
	switch e.kind {
	case Begin:
		log = &stepLog{step: s}
		p.logs[s] = log
	case Count:
		if c := s.findCount(cleanLine(e.text)); c.total > 0 && c.done >= c.total {
			fmt.Fprintf(&log.pending, "#%d %s %s\n", s.number, count{title: c.title, done: c.done}, p.done())
		}
	case Note:
		fmt.Fprintf(&log.pending, "#%d %s %s\n", s.number, s.notes[len(s.notes)-1], p.done())
	case End:
		log.finish()
	}
	p.printPending(e.at, switchDelay)
}

// done returns the word after a part of a step that is done. A word without a colon may be a name.
func (p *plainView) done() string { return strings.TrimSuffix(p.translate("done:"), ":") }

func (l *stepLog) finish() {
	s := l.step
	l.ended = true
	for _, c := range s.counts {
		if c.total == 0 {
			fmt.Fprintf(&l.pending, "#%d %s\n", s.number, c)
		}
	}
	switch s.status {
	case cached:
		fmt.Fprintf(&l.pending, "#%d CACHED\n", s.number)
	case failed:
		fmt.Fprintf(&l.pending, "#%d ERROR: %s\n", s.number, s.err)
	case canceled:
		fmt.Fprintf(&l.pending, "#%d CANCELED\n", s.number)
	default:
		fmt.Fprintf(&l.pending, "#%d DONE %s\n", s.number, formatSeconds(s.took))
	}
}

// printPending moves to out all lines that may be printed now.
func (p *plainView) printPending(now time.Time, patience time.Duration) {
	for {
		if c := p.current; c != nil {
			if c.pending.Len() > 0 {
				p.lastPrint = now
				_, _ = c.pending.WriteTo(&p.out)
			}
			if c.ended {
				p.out.WriteString("\n")
				delete(p.logs, c.step)
				p.current = nil
			}
		}
		next := p.nextLog(now, patience)
		if next == nil {
			return
		}
		if c := p.current; c != nil {
			fmt.Fprintf(&p.out, "#%d ...\n\n", c.step.number)
		}
		fmt.Fprintf(&p.out, "#%d %s\n", next.step.number, next.step.name)
		next.started, p.current, p.lastPrint = true, next, now
	}
}

// nextLog returns the step to print next, preferring one that ended over one that is running;
// nil: the current step stays.
func (p *plainView) nextLog(now time.Time, patience time.Duration) *stepLog {
	var first *stepLog
	for _, s := range p.steps {
		l := p.logs[s]
		if l == nil || l == p.current || l.started && l.pending.Len() == 0 {
			continue
		}
		if p.current != nil && now.Sub(p.lastPrint) < patience && l.pending.Len() < backlog {
			continue
		}
		if first == nil || l.ended && !first.ended {
			first = l
		}
	}
	return first
}

func (p *plainView) frame(now time.Time, _ size, last bool) []byte {
	if last {
		p.printPending(now, 0)
	} else {
		p.printPending(now, switchDelay)
	}
	text := bytes.Clone(p.out.Bytes())
	p.out.Reset()
	return text
}

func (p *plainView) trailer() []byte { return []byte(p.formatFailures()) }
