package tracer

import "golang.org/x/sys/unix"

// skipCall makes the kernel skip the call at whose entry a thread is stopped.
func skipCall(pid int) error {
	var r unix.PtraceRegs
	if err := unix.PtraceGetRegs(pid, &r); err != nil {
		return err
	}
	r.Orig_rax = ^uint64(0) // -1 is not a system call
	return unix.PtraceSetRegs(pid, &r)
}

// setResult makes a call return an error.
func setResult(pid int, errno unix.Errno) error {
	var r unix.PtraceRegs
	if err := unix.PtraceGetRegs(pid, &r); err != nil {
		return err
	}
	r.Rax = uint64(-int64(errno))
	return unix.PtraceSetRegs(pid, &r)
}
