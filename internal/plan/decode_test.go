package plan

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// decode is the inverse of Encode, without the texts and the difference between an
// immediate and a pointer: what the loop sees.
func decode(image []byte) (*Plan, error) {
	if len(image) < headerSize {
		return nil, fmt.Errorf("plan: %d bytes are too few for a header", len(image))
	}
	table := binary.LittleEndian.Uint64(image[headerTable:]) - DataBase
	if table < headerSize || table > uint64(len(image)) || table%8 != 0 || (uint64(len(image))-table)%StepSize != 0 {
		return nil, fmt.Errorf("plan: the step table cannot be at offset %d of %d", table, len(image))
	}
	p := &Plan{Data: append([]byte(nil), image[:table]...)}
	clear(p.Data[headerTable : headerTable+8])
	for at := int(table); at < len(image); at += StepSize {
		s, err := decodeStep(image[at:][:StepSize], int(table), len(p.Steps))
		if err != nil {
			return nil, fmt.Errorf("plan: step %d: %w", len(p.Steps), err)
		}
		p.Steps = append(p.Steps, s)
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	return p, nil
}

func decodeStep(e []byte, table, index int) (Step, error) {
	u32 := func(off int) uint32 { return binary.LittleEndian.Uint32(e[off:]) }
	u64 := func(off int) uint64 { return binary.LittleEndian.Uint64(e[off:]) }
	var bad error
	step := func(off int) int {
		d := int64(u32(off)) - DataBase - int64(table)
		if d < 0 || d%StepSize != 0 {
			bad = fmt.Errorf("%#x is not the address of a step", u32(off))
		}
		return int(d / StepSize)
	}
	call, ok := callOf(u32(offNumber))
	if !ok {
		return Step{}, fmt.Errorf("unknown system call number %d", u32(offNumber))
	}
	s := Step{Call: call, Out: Cell(u64(offOut) - DataBase), Next: step(offNext), Zero: step(offZero)}
	if u64(offOut) > DataBase+MaxImage || u32(offIndex) != uint32(index) || u32(offIndex+4) != 0 ||
		u32(offIndirect)>>MaxArgs != 0 {
		return Step{}, fmt.Errorf("malformed")
	}
	for k := range MaxArgs {
		a := Arg{Immediate, u64(offArgs + 8*k)}
		if u32(offIndirect)&(1<<k) != 0 {
			a.Kind = Result
		}
		s.Args = append(s.Args, a)
	}
	for off := offOn; off < offIndex; off += 8 {
		if u32(off) == 0 {
			// Nothing may follow the first unused branch.
			for ; off < offIndex; off += 4 {
				if u32(off) != 0 {
					return Step{}, fmt.Errorf("malformed")
				}
			}
			break
		}
		s.On = append(s.On, Branch{unix.Errno(u32(off)), step(off + 4)})
	}
	return s, bad
}

// callOf returns the call with a number on the architecture of this binary.
func callOf(number uint32) (Call, bool) {
	for c, n := range callNumbers {
		if uint32(n) == number {
			return Call(c), true
		}
	}
	return 0, false
}
