// emulator_test.go runs and checks filters as the kernel does.

package seccomp

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// call is struct seccomp_data without the instruction pointer.
type callData struct {
	audit uint32
	nr    uint32
	args  [6]uint64
}

// word is what a load from an offset gives. Filters see the memory of the
// machine, so a machine of the other byte order sees the halves exchanged.
func (d *callData) word(offset uint32) uint32 {
	switch {
	case offset == 0:
		return d.nr
	case offset == 4:
		return d.audit
	}
	v := d.args[(offset-16)/8]
	if second := offset%8 == 4; second == (d.audit&auditLittle != 0) {
		return uint32(v >> 32)
	}
	return uint32(v)
}

// run gives the verdict of a filter and the number of instructions it took.
func run(f []unix.SockFilter, d *callData) (ret uint32, steps int) {
	var a uint32
	for pc := 0; ; pc++ {
		in := f[pc]
		steps++
		var cond bool
		switch in.Code {
		case opLoad:
			a = d.word(in.K)
			continue
		case opAnd:
			a &= in.K
			continue
		case opRet:
			return in.K, steps
		case opJump:
			pc += int(in.K)
			continue
		case opJEQ:
			cond = a == in.K
		case opJGT:
			cond = a > in.K
		case opJGE:
			cond = a >= in.K
		case opJSET:
			cond = a&in.K != 0
		default:
			panic(fmt.Sprintf("code %#x", in.Code))
		}
		if cond {
			pc += int(in.Jt)
		} else {
			pc += int(in.Jf)
		}
	}
}

// valid checks what bpf_check_classic and seccomp_check_filter check
// (net/core/filter.c, kernel/seccomp.c), and that each instruction can be reached:
// only a verdict may be left behind, when all jumps to it took a nearer copy.
func valid(f []unix.SockFilter) error {
	if len(f) == 0 || len(f) > 4096 {
		return fmt.Errorf("%d instructions", len(f))
	}
	reached := make([]bool, len(f))
	reached[0] = true
	for pc, in := range f {
		if !reached[pc] && in.Code != opRet {
			return fmt.Errorf("%d: no way leads here", pc)
		}
		next := []int{pc + 1}
		switch in.Code {
		case opLoad:
			if in.K%4 != 0 || in.K >= 64 {
				return fmt.Errorf("%d: load from %d", pc, in.K)
			}
		case opAnd:
		case opRet:
			next = nil
		case opJump:
			if in.K >= uint32(len(f)-pc-1) {
				return fmt.Errorf("%d: jump by %d", pc, in.K)
			}
			next = []int{pc + 1 + int(in.K)}
		case opJEQ, opJGT, opJGE, opJSET:
			next = []int{pc + 1 + int(in.Jt), pc + 1 + int(in.Jf)}
		default:
			return fmt.Errorf("%d: code %#x", pc, in.Code)
		}
		for _, to := range next {
			if to >= len(f) {
				return fmt.Errorf("%d: goes to %d of %d", pc, to, len(f))
			}
			reached[to] = true
		}
	}
	if f[len(f)-1].Code != opRet {
		return fmt.Errorf("the last instruction does not return")
	}
	return nil
}
