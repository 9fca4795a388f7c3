package plan

import (
	"encoding/binary"
	"fmt"
)

// An encoded step, little-endian. Addresses fit in 32 bits because everything is
// loaded below 4 GiB. This is the only description of the layout; the loops in package
// bootstrap use the offsets.
//
//	offset   0  u32     system call number
//	         4  u32     bit i set: args[i] is the address of a cell with the argument
//	         8  u64 x6  args
//	        56  u64     address of the cell that takes the result
//	        64  u32     address of the step after a result above zero
//	        68  u32     address of the step after the result zero
//	        72  {u32 errno, u32 address of the step} x4; errno 0: unused
//	       104  u32     index of this step, for the report
//	       108  u32     0
const (
	StepSize = 112

	offNumber   = 0
	offIndirect = 4
	offArgs     = 8
	offOut      = 56
	offNext     = 64
	offZero     = 68
	offOn       = 72
	offIndex    = 104
)

// MaxErrno is the largest error number: the kernel's results from -4095 to -1
// are errors.
const MaxErrno = 4095

// MaxImage limits data and table together, in bytes: far above what any configuration
// needs, and low enough that addresses fit in 32 bits.
const MaxImage = 64 << 20

// Encode returns the bytes to load at DataBase: header, data, step table.
func (p *Plan) Encode() ([]byte, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	table := len(p.Data)
	image := make([]byte, table+len(p.Steps)*StepSize)
	copy(image, p.Data)
	binary.LittleEndian.PutUint64(image[headerTable:], uint64(DataBase+table))
	address := func(step int) uint32 { return uint32(DataBase + table + step*StepSize) }
	for i := range p.Steps {
		s := &p.Steps[i]
		e := image[table+i*StepSize:][:StepSize]
		binary.LittleEndian.PutUint32(e[offNumber:], s.Call.Number())
		var indirect uint32
		for k, a := range s.Args {
			if a.Kind == Result {
				indirect |= 1 << k
			}
			binary.LittleEndian.PutUint64(e[offArgs+8*k:], a.Value)
		}
		binary.LittleEndian.PutUint32(e[offIndirect:], indirect)
		binary.LittleEndian.PutUint64(e[offOut:], DataBase+uint64(s.Out))
		binary.LittleEndian.PutUint32(e[offNext:], address(s.Next))
		binary.LittleEndian.PutUint32(e[offZero:], address(s.Zero))
		for k, on := range s.On {
			binary.LittleEndian.PutUint32(e[offOn+8*k:], uint32(on.Errno))
			binary.LittleEndian.PutUint32(e[offOn+8*k+4:], address(on.To))
		}
		binary.LittleEndian.PutUint32(e[offIndex:], uint32(i))
	}
	return image, nil
}

// check finds anything in the plan that would crash the loop, which trusts its table.
func (p *Plan) check() error {
	if p.bad != nil {
		return p.bad
	}
	if len(p.Data) < headerSize || len(p.Data)%8 != 0 {
		return fmt.Errorf("plan: %d bytes of data: must be a multiple of 8 and contain the header", len(p.Data))
	}
	if len(p.Steps) == 0 || len(p.Data)+len(p.Steps)*StepSize > MaxImage {
		return fmt.Errorf("plan: %d steps, %d bytes of data: must have a step, and at most %d bytes", len(p.Steps),
			len(p.Data), MaxImage)
	}
	for i := range p.Steps {
		if err := p.checkStep(i); err != nil {
			return fmt.Errorf("plan: step %d (%s): %w", i, p.Steps[i].Name, err)
		}
	}
	return nil
}

func (p *Plan) checkStep(i int) error {
	s := &p.Steps[i]
	last := len(p.Steps)
	if int(s.Call) >= len(callNumbers) || s.Group > Sync {
		return fmt.Errorf("unknown call %d or group %d", s.Call, s.Group)
	}
	if len(s.Args) > MaxArgs || len(s.On) > MaxBranches {
		return fmt.Errorf("%d arguments and %d allowed errors: at most %d and %d", len(s.Args), len(s.On), MaxArgs,
			MaxBranches)
	}
	for k, a := range s.Args {
		inData := a.Value >= DataBase && a.Value < DataBase+uint64(len(p.Data))
		if a.Kind > Result {
			return fmt.Errorf("argument %d is of the unknown kind %d", k, a.Kind)
		}
		if a.Kind == Pointer && !inData {
			return fmt.Errorf("argument %d points to %#x, outside the data", k, a.Value)
		}
		// A multiple of four: pipe2 and socketpair fill a cell with two numbers.
		if a.Kind == Result && (!inData || a.Value%4 != 0 || a.Value+8 > DataBase+uint64(len(p.Data))) {
			return fmt.Errorf("argument %d is read from %#x, which is not a cell", k, a.Value)
		}
	}
	if s.Out%8 != 0 || s.Out < headerScratch || int(s.Out) >= len(p.Data) {
		return fmt.Errorf("the result is stored at offset %d, which is not a cell", s.Out)
	}
	// The step after the last one would be whatever follows the table, so the last
	// step must be a call that does not return.
	end := last
	if s.Call.ends() {
		end++
	}
	if s.Next < 0 || s.Next >= end || s.Zero < 0 || s.Zero >= end {
		return fmt.Errorf("continues at step %d or %d of %d", s.Next, s.Zero, last)
	}
	for k, on := range s.On {
		if on.Errno == 0 || on.Errno > MaxErrno || on.To < 0 || on.To >= last {
			return fmt.Errorf("errno %d continues at step %d of %d", on.Errno, on.To, last)
		}
		for _, before := range s.On[:k] {
			if before.Errno == on.Errno { // the loop takes the first
				return fmt.Errorf("errno %d is listed twice", on.Errno)
			}
		}
	}
	return nil
}
