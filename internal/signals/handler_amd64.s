#include "textflag.h"

// handler writes the signal's number, in DI, as one byte to the pipe. It runs
// on the thread's signal stack, at any point of the program: no Go code. The
// kernel restores everything that it changes.
TEXT handler<>(SB), NOSPLIT|NOFRAME, $0
	PUSHQ DI             // the byte is on the stack
	MOVL  ·pipe(SB), DI
	MOVQ  SP, SI
	MOVL  $1, DX
	MOVL  $1, AX         // write
	SYSCALL
	POPQ  DI
	RET

// noop is the handler of signals that the caller ignored.
TEXT noop<>(SB), NOSPLIT|NOFRAME, $0
	RET

TEXT restorer<>(SB), NOSPLIT|NOFRAME, $0
	MOVL $15, AX // rt_sigreturn
	SYSCALL
	INT  $3

// func addresses() (handler, noop, restorer uintptr)
TEXT ·addresses(SB), NOSPLIT, $0-24
	LEAQ handler<>(SB), AX
	MOVQ AX, handler+0(FP)
	LEAQ noop<>(SB), AX
	MOVQ AX, noop+8(FP)
	LEAQ restorer<>(SB), AX
	MOVQ AX, restorer+16(FP)
	RET
