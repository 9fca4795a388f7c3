// emulator_test.go checks filters in the same way as the kernel.

package seccomp

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// valid performs the checks of bpf_check_classic and seccomp_check_filter (net/core/filter.c,
// kernel/seccomp.c), and checks that each instruction is reachable. Only a verdict may be
// unreachable, if all jumps to it used a nearer copy.
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
				return fmt.Errorf("%d: jumps to %d of %d", pc, to, len(f))
			}
			reached[to] = true
		}
	}
	if f[len(f)-1].Code != opRet {
		return fmt.Errorf("the last instruction does not return")
	}
	return nil
}
