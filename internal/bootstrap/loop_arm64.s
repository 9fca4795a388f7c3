// The loop that runs a plan on arm64. See the table layout in
// internal/plan/encode.go and the header in internal/plan/plan.go, and
// loop_amd64.s for what this program is.
//
// A system call takes its number in R8, arguments in R0 to R5, and clobbers
// only R0.
//
//	R19  header (plan.DataBase)
//	R20  current step
//	R21  its mask of indirect arguments

#include "textflag.h"

// func loopAddress() uintptr
TEXT ·loopAddress(SB), NOSPLIT, $0-8
	MOVD $·loop(SB), R0
	MOVD R0, ret+0(FP)
	RET

TEXT ·loop(SB), NOSPLIT|NOFRAME, $0-0
	MOVD $1, R19
	LSL  $23, R19   // 0x00800000
	MOVD 0(R19), R20

step:
	MOVWU 4(R20), R21
	MOVD 8(R20), R0
	TBZ  $0, R21, arg1
	MOVD (R0), R0
arg1:
	MOVD 16(R20), R1
	TBZ  $1, R21, arg2
	MOVD (R1), R1
arg2:
	MOVD 24(R20), R2
	TBZ  $2, R21, arg3
	MOVD (R2), R2
arg3:
	MOVD 32(R20), R3
	TBZ  $3, R21, arg4
	MOVD (R3), R3
arg4:
	MOVD 40(R20), R4
	TBZ  $4, R21, arg5
	MOVD (R4), R4
arg5:
	MOVD 48(R20), R5
	TBZ  $5, R21, call
	MOVD (R5), R5
call:
	MOVWU 0(R20), R8
	SVC
	MOVD 56(R20), R22
	MOVD R0, (R22)
	MOVWU 104(R20), R22 // for the observer: the step, and its result
	MOVD R22, 48(R19)
	MOVD R0, 56(R19)
	CMN  $4095, R0
	BCS  error      // unsigned: -4095 to -1 are errors
	CBZ  R0, zero
	MOVWU 64(R20), R20
	B    step
zero:
	MOVWU 68(R20), R20
	B    step

error:
	NEG  R0, R0
	ADD  $72, R20, R22
	MOVD $4, R23
scan:
	MOVWU 0(R22), R24
	CMPW R24, R0
	BEQ  fine
	ADD  $8, R22
	SUB  $1, R23
	CBNZ R23, scan

	// Not allowed: report {1, step, errno, 0} and exit. Nothing can be done
	// about an error of these two calls.
	MOVWU 104(R20), R2
	MOVD $1, R1
	MOVW R1, 16(R19)
	MOVW R2, 20(R19)
	MOVW R0, 24(R19)
	MOVD 8(R19), R0
	ADD  $16, R19, R1
	MOVD $16, R2
	MOVD $64, R8    // write
	SVC
	MOVD $1, R0
	MOVD $94, R8    // exit_group
	SVC
	BRK
fine:
	MOVWU 4(R22), R20
	B    step

	// loopEnd, in Go, looks for these bytes.
	WORD $0x696e696d; WORD $0x2e6e7572
