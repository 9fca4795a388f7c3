package tracer

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// ntSystemCall is NT_ARM_SYSTEM_CALL of elf(5)'s register sets: the number of the call, which is not
// in a general-purpose register.
const ntSystemCall = 0x404

// skipCall makes the kernel skip the call at whose entry a thread is stopped.
func skipCall(pid int) error {
	none := int32(-1)
	v := unix.Iovec{Base: (*byte)(unsafe.Pointer(&none)), Len: uint64(unsafe.Sizeof(none))}
	_, _, errno := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_SETREGSET, uintptr(pid), ntSystemCall, uintptr(unsafe.Pointer(&v)), 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// setResult makes a call return an error.
func setResult(pid int, errno unix.Errno) error {
	var r unix.PtraceRegs
	if err := unix.PtraceGetRegs(pid, &r); err != nil {
		return err
	}
	r.Regs[0] = uint64(-int64(errno))
	return unix.PtraceSetRegs(pid, &r)
}
