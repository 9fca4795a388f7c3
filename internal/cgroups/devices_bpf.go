// This file implements the device program of cgroup v2: compiling the rules (pure),
// loading and attaching the program with bpf(2).
//
// It uses plain bpf(2) rather than cilium/ebpf: that library adds 0.9 ms to every
// start (with cgroup2), and some kernels (reported for 6.17 to 7.2) write results
// beyond the end of a bpf_attr that is shorter than their own, corrupting the memory
// of the caller; bpfAttr is therefore far larger than any kernel's.

package cgroups

import (
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// DeviceProgram is the File of a Value that contains a device program.
const DeviceProgram = "BPF_CGROUP_DEVICE"

// Insn is one eBPF instruction: struct bpf_insn of linux/bpf.h, see
// Documentation/bpf/standardization/instruction-set.rst.
type Insn struct {
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

// program compiles the policy. Rules are tried from the last to the first: "allow"
// removes the accesses that it matches from the requested ones and returns yes when
// none is left, "deny" returns no if it matches one that is left.
func (p policy) program() []Insn {
	prog := []Insn{
		{Op: opLoad32, Reg: regKind | regContext<<4, Off: 0},
		{Op: opMove, Reg: regAccess | regKind<<4},
		{Op: opAndImm, Reg: regKind, Imm: 0xffff},
		{Op: opShiftImm, Reg: regAccess, Imm: 16},
		{Op: opLoad32, Reg: regMajor | regContext<<4, Off: 4},
		{Op: opLoad32, Reg: regMinor | regContext<<4, Off: 8},
	}
	for i := len(p.rules) - 1; i >= 0; i-- {
		prog = append(prog, p.rules[i].match()...)
	}
	return append(prog, answer(p.allow)...)
}

func answer(yes bool) []Insn {
	imm := int32(0)
	if yes {
		imm = 1
	}
	return []Insn{{Op: opMoveImm, Reg: regResult, Imm: imm}, {Op: opExit}}
}

// match returns the code of one rule; it ends at the next rule.
func (r *rule) match() []Insn {
	kind := int32(2)
	if r.block {
		kind = 1
	}
	code := []Insn{{Op: opJumpNe, Reg: regKind, Imm: kind}}
	if r.major != anyNum {
		code = append(code, Insn{Op: opJumpNe, Reg: regMajor, Imm: int32(r.major)})
	}
	if r.minor != anyNum {
		code = append(code, Insn{Op: opJumpNe, Reg: regMinor, Imm: int32(r.minor)})
	}
	if r.allow {
		code = append(code, Insn{Op: opAndImm, Reg: regAccess, Imm: int32(accessAll &^ r.access)},
			Insn{Op: opJumpNe, Reg: regAccess, Imm: 0})
	} else {
		code = append(code, Insn{Op: opMove, Reg: regScratch | regAccess<<4},
			Insn{Op: opAndImm, Reg: regScratch, Imm: int32(r.access)},
			Insn{Op: opJumpEq, Reg: regScratch, Imm: 0})
	}
	code = append(code, answer(r.allow)...)
	for i := range code { // every jump leads to the next rule
		if code[i].Op == opJumpNe || code[i].Op == opJumpEq {
			code[i].Off = int16(len(code) - 1 - i)
		}
	}
	return code
}

// bpfAttr is union bpf_attr of linux/bpf.h, with room to spare, see above.
type bpfAttr [64]uint64

// bpf calls bpf(2) with the first size bytes of attr. The caller must pin memory that
// attr points to.
func bpf(cmd uintptr, attr *bpfAttr, size uintptr) (int, error) {
	n, _, errno := unix.Syscall(unix.SYS_BPF, cmd, uintptr(unsafe.Pointer(attr)), size)
	if errno != 0 {
		return -1, errno
	}
	return int(n), nil
}

// address returns a pinned object's address in the form that bpf(2) takes.
func address[T byte | uint32 | Insn](p *T) uint64 { return uint64(uintptr(unsafe.Pointer(p))) }

// pair combines two adjacent 32-bit fields, in either byte order.
func pair(low, high uint32) uint64 {
	b := [2]uint32{low, high}
	return *(*uint64)(unsafe.Pointer(&b))
}

// loadProgram loads a program of type BPF_PROG_TYPE_CGROUP_DEVICE into the kernel.
func loadProgram(prog []Insn) (*os.File, error) {
	license := []byte("Apache-2.0\x00") // no GPL-only helper is called
	var pin runtime.Pinner
	defer pin.Unpin()
	pin.Pin(&prog[0])
	pin.Pin(&license[0])
	var log []byte
	for {
		var a bpfAttr
		a[0] = pair(unix.BPF_PROG_TYPE_CGROUP_DEVICE, uint32(len(prog)))
		a[1], a[2] = address(&prog[0]), address(&license[0])
		if len(log) > 0 { // second try: get the reason from the verifier
			pin.Pin(&log[0])
			a[3], a[4] = pair(1, uint32(len(log))), address(&log[0])
		}
		fd, err := bpf(unix.BPF_PROG_LOAD, &a, 72)
		if err == nil {
			return os.NewFile(uintptr(fd), "device program"), nil
		}
		if err == unix.EPERM {
			return nil, fmt.Errorf("load the device program: %w: needs CAP_BPF and CAP_NET_ADMIN (or CAP_SYS_ADMIN) in the host's user namespace", err)
		}
		if len(log) > 0 {
			return nil, fmt.Errorf("load the device program of %d instructions: %w: %s", len(prog), err, unix.ByteSliceToString(log))
		}
		log = make([]byte, 1<<16)
	}
}

// attachProgram attaches the program to the cgroup, replacing programs attached to
// this cgroup before (an update): with BPF_F_ALLOW_MULTI all attached programs have to
// agree, so the old ones would keep denying.
func attachProgram(path string, prog []Insn) error {
	dir, err := os.OpenFile(path, unix.O_DIRECTORY|unix.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer dir.Close()
	old, err := attached(dir)
	if err != nil {
		return err
	}
	fd, err := loadProgram(prog)
	if err != nil {
		return err
	}
	defer fd.Close()
	var a bpfAttr
	a[0] = pair(uint32(dir.Fd()), uint32(fd.Fd()))
	a[1] = pair(unix.BPF_CGROUP_DEVICE, unix.BPF_F_ALLOW_MULTI)
	if _, err := bpf(unix.BPF_PROG_ATTACH, &a, 20); err != nil {
		return fmt.Errorf("attach the device program to %s: %w", path, err)
	}
	for _, id := range old {
		if err := detach(dir, id); err != nil {
			return fmt.Errorf("detach the previous device program %d from %s: %w", id, path, err)
		}
	}
	return nil
}

// attached returns the IDs of the device programs attached to this cgroup itself.
func attached(dir *os.File) ([]uint32, error) {
	ids := make([]uint32, 64) // the kernel's maximum per cgroup
	var pin runtime.Pinner
	defer pin.Unpin()
	pin.Pin(&ids[0])
	var a bpfAttr
	a[0] = pair(uint32(dir.Fd()), unix.BPF_CGROUP_DEVICE)
	a[2], a[3] = address(&ids[0]), pair(uint32(len(ids)), 0)
	if _, err := bpf(unix.BPF_PROG_QUERY, &a, 32); err != nil {
		return nil, fmt.Errorf("query the device programs of %s: %w", dir.Name(), err)
	}
	n := *(*uint32)(unsafe.Pointer(&a[3]))
	return ids[:n], nil
}

func detach(dir *os.File, id uint32) error {
	var a bpfAttr
	a[0] = pair(id, 0)
	fd, err := bpf(unix.BPF_PROG_GET_FD_BY_ID, &a, 12)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	a = bpfAttr{}
	a[0], a[1] = pair(uint32(dir.Fd()), uint32(fd)), pair(unix.BPF_CGROUP_DEVICE, 0)
	_, err = bpf(unix.BPF_PROG_DETACH, &a, 20)
	return err
}
