package devices

import "golang.org/x/sys/unix"

// Instruction is one eBPF instruction: struct bpf_insn of linux/bpf.h, see
// Documentation/bpf/standardization/instruction-set.rst.
type Instruction struct {
	Op  uint8
	Reg uint8 // destination in the low four bits, source in the high ones
	Off int16
	Imm int32
}

// The instructions that the program uses.
const (
	opLoad32   = unix.BPF_LDX | unix.BPF_MEM | unix.BPF_W
	opMove     = unix.BPF_ALU64 | unix.BPF_MOV | unix.BPF_X
	opMoveImm  = unix.BPF_ALU64 | unix.BPF_MOV | unix.BPF_K
	opAndImm   = unix.BPF_ALU64 | unix.BPF_AND | unix.BPF_K
	opShiftImm = unix.BPF_ALU64 | unix.BPF_RSH | unix.BPF_K
	opJumpNe   = unix.BPF_JMP | unix.BPF_JNE | unix.BPF_K
	opJumpEq   = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	opExit     = unix.BPF_JMP | unix.BPF_EXIT
)

// Registers. r1 is the context on entry: struct bpf_cgroup_dev_ctx
// {u32 access_type (accesses << 16 | kind), major, minor}.
const (
	regResult = iota
	regContext
	regKind   // 1 block, 2 character
	regAccess // accesses not yet decided
	regMajor
	regMinor
	regScratch
)

// Program compiles the policy to a program of type BPF_PROG_TYPE_CGROUP_DEVICE (Linux
// 4.15), which returns 1 to allow an access and 0 to deny it. Rules are tried from the
// last to the first: "allow" removes the accesses that it matches from the requested ones
// and returns yes when none is left, "deny" returns no if it matches one that is left.
func (p Policy) Program() []Instruction {
	prog := []Instruction{
		{Op: opLoad32, Reg: regKind | regContext<<4, Off: 0},
		{Op: opMove, Reg: regAccess | regKind<<4},
		{Op: opAndImm, Reg: regKind, Imm: 0xffff},
		{Op: opShiftImm, Reg: regAccess, Imm: 16},
		{Op: opLoad32, Reg: regMajor | regContext<<4, Off: 4},
		{Op: opLoad32, Reg: regMinor | regContext<<4, Off: 8},
	}
	for i := len(p.rules) - 1; i >= 0; i-- {
		prog = append(prog, p.rules[i].compile()...)
	}
	return append(prog, returnAnswer(p.allow)...)
}

func returnAnswer(allow bool) []Instruction {
	imm := int32(0)
	if allow {
		imm = 1
	}
	return []Instruction{{Op: opMoveImm, Reg: regResult, Imm: imm}, {Op: opExit}}
}

// compile returns the code of one rule; it ends at the next rule.
func (r *rule) compile() []Instruction {
	kind := int32(2)
	if r.block {
		kind = 1
	}
	code := []Instruction{{Op: opJumpNe, Reg: regKind, Imm: kind}}
	if r.major != anyNumber {
		code = append(code, Instruction{Op: opJumpNe, Reg: regMajor, Imm: int32(r.major)})
	}
	if r.minor != anyNumber {
		code = append(code, Instruction{Op: opJumpNe, Reg: regMinor, Imm: int32(r.minor)})
	}
	if r.allow {
		code = append(code, Instruction{Op: opAndImm, Reg: regAccess, Imm: int32(accessAll &^ r.access)},
			Instruction{Op: opJumpNe, Reg: regAccess, Imm: 0})
	} else {
		code = append(code, Instruction{Op: opMove, Reg: regScratch | regAccess<<4},
			Instruction{Op: opAndImm, Reg: regScratch, Imm: int32(r.access)},
			Instruction{Op: opJumpEq, Reg: regScratch, Imm: 0})
	}
	code = append(code, returnAnswer(r.allow)...)
	for i := range code { // every jump leads to the next rule
		if code[i].Op == opJumpNe || code[i].Op == opJumpEq {
			code[i].Off = int16(len(code) - 1 - i)
		}
	}
	return code
}
