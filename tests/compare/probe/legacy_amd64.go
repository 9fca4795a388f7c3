package main

import "golang.org/x/sys/unix"

// System calls that newer architectures have only in the form that takes a directory's descriptor.
const (
	sysMkdir = unix.SYS_MKDIR
	sysChmod = unix.SYS_CHMOD
)
