package plan

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// A tape is a source of decisions: random bytes in a property test, the fuzzer's bytes in a fuzz
// test. After its end, all values are zero, so that every tape gives a plan.
type tape struct{ bytes []byte }

func (t *tape) byte() byte {
	if len(t.bytes) == 0 {
		return 0
	}
	b := t.bytes[0]
	t.bytes = t.bytes[1:]
	return b
}

// below returns a number from 0 to n-1.
func (t *tape) below(n int) int { return (int(t.byte())<<8 | int(t.byte())) % n }

func (t *tape) word() uint64 {
	var w uint64
	for range 8 {
		w = w<<8 | uint64(t.byte())
	}
	return w
}

// plan returns a valid plan of up to 40 steps, with every call, every kind of argument, and jumps
// forward and backward.
func (t *tape) plan() *Plan {
	p := &Plan{Data: make([]byte, headerSize+8*(1+t.below(64)))}
	for i := 8; i < len(p.Data); i++ { // Encode writes the first word
		p.Data[i] = t.byte()
	}
	for i := headerSize; i < len(p.Data); i += 24 {
		p.Cells = append(p.Cells, CellName{Cell(i), fmt.Sprint("c", i)})
	}
	n := 1 + t.below(40)
	for i := range n {
		p.Steps = append(p.Steps, t.step(p, i, n))
	}
	return p
}

func (t *tape) step(p *Plan, i, n int) Step {
	s := Step{
		Call: Call(t.below(len(callNumbers))), Out: None, Next: t.below(n), Zero: t.below(n),
		Group: Group(t.below(int(Sync) + 1)), Name: fmt.Sprint("step ", i), Why: "because", Source: "a.b",
	}
	if s.Call.ends() && t.below(2) == 0 {
		s.Next, s.Zero = n, n // as the Builder does for a last step
	}
	if t.below(2) == 0 {
		s.Out = t.cell(p)
	}
	for range t.below(MaxArgs + 1) {
		s.Args = append(s.Args, t.arg(p))
	}
	for k := range t.below(MaxBranches + 1) {
		// k makes them different: each errno may be listed only once.
		errno := unix.Errno(1 + k + MaxBranches*t.below(MaxErrno/MaxBranches))
		s.On = append(s.On, Branch{errno, t.below(n)})
	}
	return s
}

func (t *tape) cell(p *Plan) Cell {
	words := (len(p.Data) - headerScratch) / 8
	return Cell(headerScratch + 8*t.below(words))
}

func (t *tape) arg(p *Plan) Arg {
	switch t.below(3) {
	case 0:
		return Arg{Pointer, DataBase + uint64(t.below(len(p.Data)))}
	case 1:
		return Of(t.cell(p))
	}
	return Int(t.word())
}

// seen reduces p to what the loop sees of it, which is also what decode returns: no texts, six
// arguments, pointers as numbers.
func seen(p *Plan) *Plan {
	out := &Plan{Data: append([]byte(nil), p.Data...)}
	clear(out.Data[headerTable : headerTable+8])
	for _, s := range p.Steps {
		s := Step{Call: s.Call, Out: s.Out, Next: s.Next, Zero: s.Zero, On: s.On, Args: append([]Arg(nil), s.Args...)}
		for len(s.Args) < MaxArgs {
			s.Args = append(s.Args, Arg{})
		}
		for k := range s.Args {
			if s.Args[k].Kind == Pointer {
				s.Args[k].Kind = Immediate
			}
		}
		out.Steps = append(out.Steps, s)
	}
	return out
}
