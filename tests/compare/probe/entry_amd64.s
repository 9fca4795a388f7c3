// The probe's first instructions, before Go's runtime starts.
//
// Go's runtime changes things the probe must report: it unblocks signals and installs handlers (SigBlk, SigIgn, SigCgt in
// /proc/self/status), starts threads, and package os raises the soft RLIMIT_NOFILE. So the linker is told (-ldflags "-E probe_entry")
// to enter here; this code saves what the kernel handed over at execve in two buffers and then jumps to Go's own entry point
// with the stack pointer untouched, which is all that entry point needs.

#include "textflag.h"

DATA statusPath<>+0(SB)/8, $"/proc/se"
DATA statusPath<>+8(SB)/8, $"lf/statu"
DATA statusPath<>+16(SB)/8, $"s\x00\x00\x00\x00\x00\x00\x00"
GLOBL statusPath<>(SB), RODATA, $24

TEXT probe_entry(SB), NOSPLIT|NOFRAME, $0
	MOVQ $302, AX // prlimit64(0, RLIMIT_NOFILE, NULL, &earlyNofile)
	XORL DI, DI
	MOVQ $7, SI
	XORL DX, DX
	LEAQ ·earlyNofile(SB), R10
	SYSCALL

	MOVQ $2, AX // open("/proc/self/status", O_RDONLY)
	LEAQ statusPath<>(SB), DI
	XORL SI, SI
	XORL DX, DX
	SYSCALL
	TESTQ AX, AX
	JLT  start
	MOVQ AX, R12

	XORL AX, AX // read(fd, &earlyStatus, sizeof earlyStatus)
	MOVQ R12, DI
	LEAQ ·earlyStatus(SB), SI
	MOVQ $8192, DX
	SYSCALL
	MOVQ AX, ·earlyStatusLen(SB)

	MOVQ $3, AX // close(fd), so that the probe's own descriptor list is not disturbed
	MOVQ R12, DI
	SYSCALL

start:
	JMP _rt0_amd64_linux(SB)
