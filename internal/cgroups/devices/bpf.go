package devices

import (
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// This file calls bpf(2) itself. The library cilium/ebpf adds 0.9 ms to every start
// (with cgroup2), and some kernels (reported for 6.17 to 7.2) write results beyond the
// end of a bpf_attr that is shorter than their own, corrupting the memory of the caller;
// bpfAttr is therefore far larger than any kernel's.

// bpfAttr is union bpf_attr of linux/bpf.h, with room to spare: see above.
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
func address[T byte | uint32 | Instruction](p *T) uint64 { return uint64(uintptr(unsafe.Pointer(p))) }

// pair combines two adjacent 32-bit fields, in either byte order.
func pair(low, high uint32) uint64 {
	b := [2]uint32{low, high}
	return *(*uint64)(unsafe.Pointer(&b))
}

// loadProgram loads a program of type BPF_PROG_TYPE_CGROUP_DEVICE into the kernel.
func loadProgram(prog []Instruction) (*os.File, error) {
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
			return nil, fmt.Errorf("load the device program: %w: it needs CAP_BPF and CAP_NET_ADMIN (or CAP_SYS_ADMIN) "+
				"in the host's user namespace", err)
		}
		if len(log) > 0 {
			return nil, fmt.Errorf("load the device program of %d instructions: %w: %s",
				len(prog), err, unix.ByteSliceToString(log))
		}
		log = make([]byte, 1<<16)
	}
}

// Attach loads the program and attaches it to the cgroup in the directory path,
// replacing programs attached to this cgroup before (an update): with BPF_F_ALLOW_MULTI
// (Linux 4.15) all attached programs have to agree, so the old ones would keep denying.
func Attach(path string, prog []Instruction) error {
	dir, err := os.OpenFile(path, unix.O_DIRECTORY|unix.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer dir.Close()
	old, err := queryAttached(dir)
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
		if err := detachProgram(dir, id); err != nil {
			return fmt.Errorf("detach the previous device program %d from %s: %w", id, path, err)
		}
	}
	return nil
}

// queryAttached returns the IDs of the device programs attached to this cgroup itself.
func queryAttached(dir *os.File) ([]uint32, error) {
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

// detachProgram detaches the program with an ID from the cgroup.
func detachProgram(dir *os.File, id uint32) error {
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
