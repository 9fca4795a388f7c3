//go:build !amd64

package main

import "golang.org/x/sys/unix"

// arm64 and others do not have mkdir(2) and chmod(2). The C library, and so a profile's author, calls
// these instead.
const (
	sysMkdir = unix.SYS_MKDIRAT
	sysChmod = unix.SYS_FCHMODAT
)
