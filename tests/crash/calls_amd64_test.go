package crash

import "golang.org/x/sys/unix"

const sysFstatat = unix.SYS_NEWFSTATAT

// oldCalls lists the calls that newer architectures have only as the "at" variant.
var oldCalls = []call{
	{"open", unix.SYS_OPEN, "sfmib", 0},
	{"mkdir", unix.SYS_MKDIR, "smb", 0},
	{"rmdir", unix.SYS_RMDIR, "mb", 0},
	{"unlink", unix.SYS_UNLINK, "mb", 0},
	{"rename", unix.SYS_RENAME, "smb", 0},
	{"stat", unix.SYS_STAT, "m", 0},
	{"lstat", unix.SYS_LSTAT, "m", 0},
	{"access", unix.SYS_ACCESS, "m", 0},
	{"readlink", unix.SYS_READLINK, "m", 0},
	{"chmod", unix.SYS_CHMOD, "m", 0},
	{"chown", unix.SYS_CHOWN, "m", 0},
	{"poll", unix.SYS_POLL, "mi", none},
	{"epoll_wait", unix.SYS_EPOLL_WAIT, "i", none},
	{"dup2", unix.SYS_DUP2, "fib", none},
}
