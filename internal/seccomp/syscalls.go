// syscalls.go looks up system calls by name and by number in the tables of
// tables_gen.go. The tables are plain read-only data: nothing is built when the
// program starts, and a lookup touches only the pages that it needs.

package seccomp

import (
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

//go:generate go run gen/tables.go -linux /usr/src/linux-source-6.12

// armPrivate is the first of ARM's private calls, which are far above all others
// (arch/arm/include/uapi/asm/unistd.h: breakpoint, cacheflush, set_tls …).
const armPrivate = 0x0f0000

func (a *arch) isPrivate(nr uint32) bool { return a.name == specs.ArchARM && nr >= armPrivate }

func callName(id int) string {
	start := 0
	if id > 0 {
		start = int(callEnds[id-1])
	}
	return callNames[start:callEnds[id]]
}

// callID looks up a name in callNames and returns its index, or -1. hint is where to
// look first: profiles are sorted, so a name often follows the previous one.
func callID(name string, hint int) int {
	if hint < len(callEnds) && callName(hint) == name {
		return hint
	}
	lo, hi := 0, len(callEnds)
	for lo < hi {
		mid := int(uint(lo+hi) / 2)
		switch c := strings.Compare(callName(mid), name); {
		case c == 0:
			return mid
		case c < 0:
			lo = mid + 1
		default:
			hi = mid
		}
	}
	return -1
}

// KnownCall reports whether any architecture has a system call of this name.
func KnownCall(name string) bool { return callID(name, 0) >= 0 }

// NativeNumber returns the number of a system call on this program's architecture.
func NativeNumber(name string) (number int, ok bool) {
	native, id := archNamed(NativeArch()), callID(name, 0)
	if native == nil || id < 0 || native.calls[id] < 0 {
		return 0, false
	}
	return int(native.calls[id]), true
}

// multiplexer returns the older call (an index into callNames) through which a call
// can also be made, and its first argument (linux/net.h, linux/ipc.h): i386, m68k,
// mips, ppc, s390 and sh once had a single call for all of sockets and one for System
// V IPC, and the kernel still accepts both ways.
func multiplexer(name string) (via int, sub uint32) {
	switch name {
	case "socket":
		return idSocketcall, 1
	case "bind":
		return idSocketcall, 2
	case "connect":
		return idSocketcall, 3
	case "listen":
		return idSocketcall, 4
	case "accept":
		return idSocketcall, 5
	case "getsockname":
		return idSocketcall, 6
	case "getpeername":
		return idSocketcall, 7
	case "socketpair":
		return idSocketcall, 8
	case "send":
		return idSocketcall, 9
	case "recv":
		return idSocketcall, 10
	case "sendto":
		return idSocketcall, 11
	case "recvfrom":
		return idSocketcall, 12
	case "shutdown":
		return idSocketcall, 13
	case "setsockopt":
		return idSocketcall, 14
	case "getsockopt":
		return idSocketcall, 15
	case "sendmsg":
		return idSocketcall, 16
	case "recvmsg":
		return idSocketcall, 17
	case "accept4":
		return idSocketcall, 18
	case "recvmmsg":
		return idSocketcall, 19
	case "sendmmsg":
		return idSocketcall, 20
	case "semop":
		return idIPC, 1
	case "semget":
		return idIPC, 2
	case "semctl":
		return idIPC, 3
	case "semtimedop":
		return idIPC, 4
	case "msgsnd":
		return idIPC, 11
	case "msgrcv":
		return idIPC, 12
	case "msgget":
		return idIPC, 13
	case "msgctl":
		return idIPC, 14
	case "shmat":
		return idIPC, 21
	case "shmdt":
		return idIPC, 22
	case "shmget":
		return idIPC, 23
	case "shmctl":
		return idIPC, 24
	}
	return 0, 0
}
