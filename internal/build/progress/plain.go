package progress

import (
	"bytes"
	"fmt"
	"time"
)

// plain is a log. It groups the lines of a step: other steps wait until the current one has
// ended, has printed nothing for a while, or until they have many lines waiting.
type plain struct {
	*board
	logs    map[*step]*entry
	current *entry
	said    time.Time // time of the current step's last line
	out     bytes.Buffer
}

// An entry holds a step's lines that are not printed yet.
type entry struct {
	step    *step
	open    bool // its name has been printed
	waiting bytes.Buffer
	ended   bool
}

const (
	patience = time.Second
	backlog  = 64 << 10 // bytes
)

func newPlain(now time.Time) *plain { return &plain{board: newBoard(now), logs: map[*step]*entry{}} }

func (p *plain) waiting() int { return p.out.Len() }

func (p *plain) apply(e *event) {
	s := p.board.apply(e, func(s *step, l line) {
		fmt.Fprintf(&p.logs[s].waiting, "#%d %.3f %s\n", s.number, l.after.Seconds(), l.text)
	})
	if s == nil {
		return
	}
	log := p.logs[s]
	switch e.kind {
	case begin:
		log = &entry{step: s}
		p.logs[s] = log
	case counted:
		if c := s.find(clean(e.text)); c.total > 0 && c.done >= c.total {
			fmt.Fprintf(&log.waiting, "#%d %s done\n", s.number, count{what: c.what, done: c.done})
		}
	case did:
		fmt.Fprintf(&log.waiting, "#%d %s done\n", s.number, s.did[len(s.did)-1])
	case ended:
		log.end()
	}
	p.pump(e.at, patience)
}

func (l *entry) end() {
	s := l.step
	l.ended = true
	for _, c := range s.counts {
		if c.total == 0 {
			fmt.Fprintf(&l.waiting, "#%d %s\n", s.number, c)
		}
	}
	switch s.state {
	case cached:
		fmt.Fprintf(&l.waiting, "#%d CACHED\n", s.number)
	case failed:
		fmt.Fprintf(&l.waiting, "#%d ERROR: %s\n", s.number, s.err)
	case canceled:
		fmt.Fprintf(&l.waiting, "#%d CANCELED\n", s.number)
	default:
		fmt.Fprintf(&l.waiting, "#%d DONE %s\n", s.number, seconds(s.took))
	}
}

// pump moves to out all lines that may be printed now.
func (p *plain) pump(now time.Time, patience time.Duration) {
	for {
		if c := p.current; c != nil {
			if c.waiting.Len() > 0 {
				p.said = now
				_, _ = c.waiting.WriteTo(&p.out)
			}
			if c.ended {
				p.out.WriteString("\n")
				delete(p.logs, c.step)
				p.current = nil
			}
		}
		next := p.next(now, patience)
		if next == nil {
			return
		}
		if c := p.current; c != nil {
			fmt.Fprintf(&p.out, "#%d ...\n\n", c.step.number)
		}
		fmt.Fprintf(&p.out, "#%d %s\n", next.step.number, next.step.name)
		next.open, p.current, p.said = true, next, now
	}
}

// next returns the step to print next, preferring one that has ended over one that is running;
// nil: the current step stays.
func (p *plain) next(now time.Time, patience time.Duration) *entry {
	var first *entry
	for _, s := range p.steps {
		l := p.logs[s]
		if l == nil || l == p.current || l.open && l.waiting.Len() == 0 {
			continue
		}
		if p.current != nil && now.Sub(p.said) < patience && l.waiting.Len() < backlog {
			continue
		}
		if first == nil || l.ended && !first.ended {
			first = l
		}
	}
	return first
}

func (p *plain) frame(now time.Time, _ size, last bool) []byte {
	if last {
		p.pump(now, 0)
	} else {
		p.pump(now, patience)
	}
	text := bytes.Clone(p.out.Bytes())
	p.out.Reset()
	return text
}

func (p *plain) end() []byte { return []byte(p.failures()) }
