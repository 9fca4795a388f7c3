#include "textflag.h"

// handler writes the signal's number, in R0, as one byte to the pipe. It runs
// on the thread's signal stack, at any point of the program: no Go code. The
// kernel restores everything that it changes.
TEXT handler<>(SB), NOSPLIT|NOFRAME, $0
	SUB  $16, RSP
	MOVD R0, (RSP)       // the byte is on the stack
	MOVW ·pipe(SB), R0
	MOVD RSP, R1
	MOVD $1, R2
	MOVD $64, R8         // write
	SVC
	ADD  $16, RSP
	RET

// noop is the handler of signals that the caller ignored.
TEXT noop<>(SB), NOSPLIT|NOFRAME, $0
	RET

TEXT restorer<>(SB), NOSPLIT|NOFRAME, $0
	MOVD $139, R8 // rt_sigreturn
	SVC
	BRK

// func addresses() (handler, noop, restorer uintptr)
TEXT ·addresses(SB), NOSPLIT, $0-24
	MOVD $handler<>(SB), R0
	MOVD R0, handler+0(FP)
	MOVD $noop<>(SB), R0
	MOVD R0, noop+8(FP)
	MOVD $restorer<>(SB), R0
	MOVD R0, restorer+16(FP)
	RET
