package plan

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// This file adds steps for observers to a plan. An observed plan is the same list with
// steps in between, made by a pure function: what is observed is what runs, and a plan
// without observers contains no code for them.
//
//	Observe  before each step: report the result of the last one, and wait
//	Stamp    before each step: read the clock; before the program: report all timestamps
//
// A seccomp filter may forbid the added steps, so there are none after the step that
// loads one: the last steps of such a container are not observed.

// An Observed plan records which step of the original each of its steps is.
type Observed struct {
	*Plan
	Origin []int // index in the original, -1: an added step
	At     []int // index here of each step of the original
	Stamps int   // number of timestamps that it reports
}

// Targets of the added steps; 0 is the following step.
const (
	itself = -1
	gone   = -2 // where the original exits when its parent has died
)

// Observes reports whether the plan stops before step i of the original.
func (o *Observed) Observes(i int) bool { return o.At[i] > 0 && o.Origin[o.At[i]-1] < 0 }

// Observe makes the plan stop before each step, but not between a question to the
// parent and its answer: the parent acts at that point itself.
func (p *Plan) Observe() *Observed {
	data := append([]byte(nil), p.Data...)
	binary.LittleEndian.PutUint32(data[headerRan:], MessagePoint)
	binary.LittleEndian.PutUint32(data[headerRan+4:], Ran)
	binary.LittleEndian.PutUint64(data[headerRan+8:], ^uint64(0)) // none yet
	room := Arg{Pointer, DataBase + uint64(len(data))}
	data = append(data, make([]byte, 8)...)
	sync := Arg{Immediate, binary.LittleEndian.Uint64(p.Data[headerSync:])}
	between := []Step{
		{Call: Write, Args: []Arg{sync, {Pointer, DataBase + headerRan}, Int(MessageSize)},
			Name: "report the result of the last step"},
		{Call: Read, Args: []Arg{sync, room, Int(8)}, Name: "wait to continue", Zero: gone,
			On: []Branch{{unix.EINTR, itself}, {unix.ECONNRESET, gone}}},
	}
	seen, leaving := p.observableSteps(), p.stepsAfterClone()
	return p.insert(data, func(i int) []Step {
		if i >= seen || p.readsAnswer(i) || leaving[i] {
			return nil
		}
		return between
	})
}

// Clock is the clock that Stamp reads: of those with nanoseconds the one that a time
// namespace does not shift.
const Clock = unix.CLOCK_REALTIME

// Stamp makes the plan read the clock before each step into a separate field, and
// report all timestamps before the program is executed, by index of the original step;
// 0 means that the step did not run. The last one is that of the report.
func (p *Plan) Stamp() *Observed {
	const size = 16 // struct timespec
	count := min(p.observableSteps(), p.firstProgramStep())
	data := append([]byte(nil), p.Data...)
	head := DataBase + uint64(len(data))
	data = binary.LittleEndian.AppendUint32(data, MessageStamps)
	data = binary.LittleEndian.AppendUint32(data, uint32(count+1))
	data = append(data, make([]byte, (count+1)*size)...)
	sync := Arg{Immediate, binary.LittleEndian.Uint64(p.Data[headerSync:])}
	o := p.insert(data, func(i int) []Step {
		if i > count {
			return nil
		}
		at := Arg{Pointer, head + 8 + uint64(i*size)}
		between := []Step{{Call: ClockGettime, Args: []Arg{Int(Clock), at}, Name: "read the clock"}}
		if i == count {
			between = append(between, Step{Call: Write, Args: []Arg{sync, {Pointer, head}, Int(8 + (count+1)*size)},
				Name: "report the times"})
		}
		return between
	})
	o.Stamps = count + 1
	return o
}

// observableSteps returns the index of the step that loads a filter, or after which two processes
// share the socket; otherwise the number of steps.
func (p *Plan) observableSteps() int {
	for i := range p.Steps {
		if p.Steps[i].Call == Seccomp || p.Steps[i].Kind == Split {
			return i
		}
	}
	return len(p.Steps)
}

// stepsAfterClone returns the last steps of a process that has cloned its successor. The two
// share the socket: if both waited there, either could get the other's answer.
func (p *Plan) stepsAfterClone() map[int]bool {
	out := map[int]bool{}
	for i := range p.Steps {
		s := &p.Steps[i]
		if s.Call != Clone || s.Args[0].Value&unix.CLONE_PARENT == 0 {
			continue
		}
		for k := s.Next; k < len(p.Steps) && !out[k]; k = p.Steps[k].Next {
			out[k] = true
			if p.Steps[k].Call.ends() {
				break
			}
		}
	}
	return out
}

// firstProgramStep returns the index of the first of the last steps that execute something: the
// program, one step for each directory that may contain it.
func (p *Plan) firstProgramStep() int {
	i := len(p.Steps)
	for k := i; k > 0 && p.Steps[k-1].Call != Execve; k-- {
		i = k - 1
	}
	if i == 0 {
		i = len(p.Steps) // a plan without a program
	}
	for i > 0 && p.Steps[i-1].Call.ends() {
		i--
	}
	return i
}

// readsAnswer reports whether a step reads the parent's answer.
func (p *Plan) readsAnswer(i int) bool {
	s := &p.Steps[i]
	return s.Call == Read && len(s.Args) > 0 && s.Args[0] == Arg{Immediate,
		binary.LittleEndian.Uint64(p.Data[headerSync:])}
}

// insert returns a plan with additional steps before those of p. A jump to a step
// leads to the first step inserted before it.
func (p *Plan) insert(data []byte, before func(i int) []Step) *Observed {
	for len(data)%8 != 0 {
		data = append(data, 0)
	}
	o := &Observed{Plan: &Plan{Data: data, Cells: p.Cells, Files: p.Files, bad: p.bad}}
	begin := make([]int, len(p.Steps)+1) // new target of jumps to each step
	between := make([][]Step, len(p.Steps))
	n := 0
	for i := range p.Steps {
		begin[i], between[i] = n, before(i)
		n += len(between[i]) + 1
	}
	begin[len(p.Steps)] = n
	end := begin[len(p.Steps)-1]
	o.Steps, o.Origin, o.At = make([]Step, 0, n), make([]int, 0, n), make([]int, 0, len(p.Steps))
	for i := range p.Steps {
		for _, s := range between[i] {
			at := len(o.Steps)
			to := func(place int) int {
				switch place {
				case itself:
					return at
				case gone:
					return end
				}
				return at + 1
			}
			s.Out, s.Group, s.Next, s.Zero = None, Sync, at+1, to(s.Zero)
			s.On = retarget(s.On, to)
			o.Steps, o.Origin = append(o.Steps, s), append(o.Origin, -1)
		}
		s := p.Steps[i]
		s.Next, s.Zero = begin[s.Next], begin[s.Zero]
		s.On = retarget(s.On, func(step int) int { return begin[step] })
		o.At = append(o.At, len(o.Steps))
		o.Steps, o.Origin = append(o.Steps, s), append(o.Origin, i)
	}
	return o
}

// retarget returns branches with new targets.
func retarget(on []Branch, to func(int) int) []Branch {
	if len(on) == 0 {
		return nil
	}
	out := make([]Branch, len(on))
	for k := range on {
		out[k] = Branch{on[k].Errno, to(on[k].To)}
	}
	return out
}

// After returns the step that a plan continues with if the result of step i was
// result, -errno for an error; ok is false if it ends there.
func (p *Plan) After(i int, result int64) (next int, ok bool) {
	s := &p.Steps[i]
	switch {
	case result < 0 && result >= -MaxErrno:
		for _, on := range s.On {
			if int64(on.Errno) == -result {
				return on.To, true
			}
		}
		return 0, false
	case result == 0:
		return s.Zero, s.Zero < len(p.Steps)
	}
	return s.Next, s.Next < len(p.Steps)
}
