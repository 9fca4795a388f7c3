package seccomp

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// This file runs a filter as the kernel does, to predict its verdict.

// callData is struct seccomp_data without the instruction pointer.
type callData struct {
	audit uint32
	nr    uint32
	args  [6]uint64
}

// Allows reports whether the filter lets the process make the system call nr of this
// machine's architecture with the given arguments, immediately and without an agent:
// the verdict is allow or log.
func (p *Program) Allows(nr uint32, args ...uint64) bool {
	d := callData{audit: archNamed(NativeArch()).audit, nr: nr}
	copy(d.args[:], args)
	verdict, _ := run(p.Filter, &d)
	return verdict == unix.SECCOMP_RET_ALLOW || verdict&unix.SECCOMP_RET_ACTION_FULL == unix.SECCOMP_RET_LOG
}

// word returns the result of a load from an offset. Filters see the machine's memory,
// so a machine of the other byte order sees the halves exchanged.
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

// run returns the verdict of a filter and the number of instructions executed.
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
