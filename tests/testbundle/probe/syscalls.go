package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// dangerous lists system calls with which published kernel exploits begin, with harmless arguments: a
// kernel that permits them returns an error other than EPERM, or succeeds.
var dangerous = []struct {
	name string
	nr   uintptr
	args [3]uintptr
}{
	{"socket(AF_ALG)", unix.SYS_SOCKET, [3]uintptr{unix.AF_ALG, unix.SOCK_SEQPACKET}},
	{"socket(AF_VSOCK)", unix.SYS_SOCKET, [3]uintptr{unix.AF_VSOCK, unix.SOCK_STREAM}},
	{"socket(AF_APPLETALK)", unix.SYS_SOCKET, [3]uintptr{unix.AF_APPLETALK, unix.SOCK_DGRAM}},
	{"socket(AF_AX25)", unix.SYS_SOCKET, [3]uintptr{unix.AF_AX25, unix.SOCK_DGRAM}},
	{"unshare(CLONE_NEWUSER)", unix.SYS_UNSHARE, [3]uintptr{unix.CLONE_NEWUSER}},
	{"bpf", unix.SYS_BPF, [3]uintptr{^uintptr(0)}},
	{"fsopen", unix.SYS_FSOPEN, [3]uintptr{}},
	{"fsconfig", unix.SYS_FSCONFIG, [3]uintptr{^uintptr(0)}},
	{"io_uring_setup", unix.SYS_IO_URING_SETUP, [3]uintptr{}},
	{"keyctl", unix.SYS_KEYCTL, [3]uintptr{^uintptr(0)}},
	{"add_key", unix.SYS_ADD_KEY, [3]uintptr{}},
	{"open_by_handle_at", unix.SYS_OPEN_BY_HANDLE_AT, [3]uintptr{^uintptr(0)}},
	{"perf_event_open", unix.SYS_PERF_EVENT_OPEN, [3]uintptr{}},
	{"userfaultfd", unix.SYS_USERFAULTFD, [3]uintptr{^uintptr(0)}},
}

// kernelSurface implements the word "syscalls".
func kernelSurface(word string) {
	if word != "syscalls" {
		fatal("what is " + word + "?")
	}
	syscalls()
}

// syscalls prints the kernel's result for each of them, one per line.
func syscalls() {
	for _, c := range dangerous {
		fd, _, errno := unix.RawSyscall(c.nr, c.args[0], c.args[1], c.args[2])
		if errno != 0 {
			fmt.Println(c.name, unix.ErrnoName(errno))
		} else {
			fmt.Println(c.name, "OK", fd)
		}
	}
}
