// The loop that runs a plan on amd64. See the table layout in
// internal/plan/encode.go and the header in internal/plan/plan.go.
//
// It is never called here: its bytes are copied after an ELF header and are
// the whole program of a container's first process until execve. So it uses no
// stack, no Go runtime and only jumps relative to itself. A system call
// clobbers AX, CX and R11; everything else survives.
//
//	R12  header (plan.DataBase)
//	BX   current step
//	R13  its mask of indirect arguments

#include "textflag.h"

// func loopAddress() uintptr
TEXT ·loopAddress(SB), NOSPLIT, $0-8
	LEAQ ·loop(SB), AX
	MOVQ AX, ret+0(FP)
	RET

TEXT ·loop(SB), NOSPLIT|NOFRAME, $0-0
	MOVL $0x00800000, R12
	MOVQ 0(R12), BX

step:
	MOVL 4(BX), R13
	MOVQ 8(BX), DI
	BTL  $0, R13
	JCC  arg1
	MOVQ (DI), DI
arg1:
	MOVQ 16(BX), SI
	BTL  $1, R13
	JCC  arg2
	MOVQ (SI), SI
arg2:
	MOVQ 24(BX), DX
	BTL  $2, R13
	JCC  arg3
	MOVQ (DX), DX
arg3:
	MOVQ 32(BX), R10
	BTL  $3, R13
	JCC  arg4
	MOVQ (R10), R10
arg4:
	MOVQ 40(BX), R8
	BTL  $4, R13
	JCC  arg5
	MOVQ (R8), R8
arg5:
	MOVQ 48(BX), R9
	BTL  $5, R13
	JCC  call
	MOVQ (R9), R9
call:
	MOVL 0(BX), AX
	SYSCALL
	MOVQ 56(BX), CX
	MOVQ AX, (CX)
	MOVL 104(BX), DX // for the observer: the step, and its result
	MOVQ DX, 48(R12)
	MOVQ AX, 56(R12)
	CMPQ AX, $-4095
	JCC  error      // unsigned: -4095 to -1 are errors
	TESTQ AX, AX
	JEQ  zero
	MOVL 64(BX), BX
	JMP  step
zero:
	MOVL 68(BX), BX
	JMP  step

error:
	NEGL AX
	LEAQ 72(BX), CX
	MOVL $4, DX
scan:
	CMPL AX, 0(CX)
	JEQ  fine
	ADDQ $8, CX
	DECL DX
	JNE  scan

	// Not allowed: report {1, step, errno, 0} and exit. Nothing can be done
	// about an error of these two calls.
	MOVL 104(BX), DX
	MOVL $1, 16(R12)
	MOVL DX, 20(R12)
	MOVL AX, 24(R12)
	MOVQ 8(R12), DI
	LEAQ 16(R12), SI
	MOVL $16, DX
	MOVL $1, AX     // write
	SYSCALL
	MOVL $1, DI
	MOVL $231, AX   // exit_group
	SYSCALL
	HLT
fine:
	MOVL 4(CX), BX
	JMP  step

	// loopEnd, in Go, looks for these bytes.
	BYTE $0x6d; BYTE $0x69; BYTE $0x6e; BYTE $0x69; BYTE $0x72; BYTE $0x75; BYTE $0x6e; BYTE $0x2e
