// asm.go writes BPF instructions.
//
// BPF only jumps forward, so the program is written from its last instruction to its
// first: when a jump is written, its targets already have positions. A conditional
// jump reaches 255 instructions; a target that is further away gets a stepping stone.

package seccomp

import (
	"slices"

	"golang.org/x/sys/unix"
)

const (
	opLoad = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
	opRet  = unix.BPF_RET | unix.BPF_K
	opJump = unix.BPF_JMP | unix.BPF_JA
	opAnd  = unix.BPF_ALU | unix.BPF_AND | unix.BPF_K
	opJEQ  = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	opJGT  = unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K
	opJGE  = unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K
	opJSET = unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K
)

// label is a position in the program, counted from the end. The last instruction is 1.
type label int

type assembler struct {
	code []unix.SockFilter // last instruction first
	rets map[uint32]label  // for each verdict, the position nearest to the front
}

// at returns the position of the instruction written last.
func (a *assembler) at() label { return label(len(a.code)) }

func (a *assembler) emit(op uint16, jt, jf uint8, k uint32) label {
	a.code = append(a.code, unix.SockFilter{Code: op, Jt: jt, Jf: jf, K: k})
	return a.at()
}

// ret returns the position of an instruction that returns a verdict.
func (a *assembler) ret(verdict uint32) label {
	if l, ok := a.rets[verdict]; ok {
		return l
	}
	return a.emitRet(verdict)
}

// emitRet writes an instruction that returns a verdict.
func (a *assembler) emitRet(verdict uint32) label {
	if a.rets == nil {
		a.rets = map[uint32]label{}
	}
	l := a.emit(opRet, 0, 0, verdict)
	a.rets[verdict] = l
	return l
}

// load writes "A = word at offset of seccomp_data", followed by next.
func (a *assembler) load(offset uint32, next label) label {
	a.stone(next, a.at())
	return a.emit(opLoad, 0, 0, offset)
}

// and writes "A &= mask", followed by next.
func (a *assembler) and(mask uint32, next label) label {
	a.stone(next, a.at())
	return a.emit(opAnd, 0, 0, mask)
}

// branch writes "if A op k goto yes else goto no".
func (a *assembler) branch(op uint16, k uint32, yes, no label) label {
	if yes == no {
		return yes
	}
	// A stone for no moves yes one further away, so it must reach that far.
	yes = a.stone(yes, a.at()-254)
	no = a.stone(no, a.at()-255)
	return a.emit(op, uint8(a.at()-yes), uint8(a.at()-no), k)
}

// stone returns a position that leads to l and is not before the position lowest. A
// verdict is copied, which takes no more space than a jump to it and runs faster.
func (a *assembler) stone(l, lowest label) label {
	if l >= lowest {
		return l
	}
	if target := a.code[l-1]; target.Code == opRet {
		return a.emitRet(target.K)
	}
	return a.emit(opJump, 0, 0, uint32(a.at()-l))
}

// program returns the code in execution order.
func (a *assembler) program() []unix.SockFilter {
	slices.Reverse(a.code)
	return a.code
}
