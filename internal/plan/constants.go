package plan

import (
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"
)

// This file has the names of constants that x/sys/unix does not number in one place,
// and of values that consist of a type and flags.

const (
	perLinux32       = 0x0008 // PER_LINUX32 (personality(2))
	ioprioWhoProcess = 1      // IOPRIO_WHO_PROCESS (ioprio_set(2))
	ioprioShift      = 13     // IOPRIO_CLASS_SHIFT
	socketMask       = 0xf    // SOCK_TYPE_MASK
)

// joinType writes a value that consists of a type, in the bits of mask, and of flags.
func joinType(v, mask uint64, names []bit) string {
	text := strconv.FormatUint(v&mask, 10)
	for _, b := range names {
		if b.value&^mask == 0 && b.value == v&mask {
			text = b.name
		}
	}
	flags := uint64(0)
	for _, b := range names {
		if b.value&mask == 0 && b.value != 0 && v&b.value == b.value {
			text += "|" + b.name
			flags |= b.value
		}
	}
	if rest := v &^ mask &^ flags; rest != 0 {
		text += fmt.Sprintf("|%#x", rest)
	}
	return text
}

var socketNames = []bit{
	{unix.SOCK_STREAM, "SOCK_STREAM"}, {unix.SOCK_DGRAM, "SOCK_DGRAM"}, {unix.SOCK_SEQPACKET, "SOCK_SEQPACKET"},
	{unix.SOCK_CLOEXEC, "SOCK_CLOEXEC"}, {unix.SOCK_NONBLOCK, "SOCK_NONBLOCK"},
}

var memoryPolicyNames = []bit{
	{unix.MPOL_DEFAULT, "MPOL_DEFAULT"}, {unix.MPOL_PREFERRED, "MPOL_PREFERRED"}, {unix.MPOL_BIND, "MPOL_BIND"},
	{unix.MPOL_INTERLEAVE, "MPOL_INTERLEAVE"}, {unix.MPOL_LOCAL, "MPOL_LOCAL"},
	{unix.MPOL_PREFERRED_MANY, "MPOL_PREFERRED_MANY"}, {unix.MPOL_WEIGHTED_INTERLEAVE, "MPOL_WEIGHTED_INTERLEAVE"},
	{unix.MPOL_F_STATIC_NODES, "MPOL_F_STATIC_NODES"}, {unix.MPOL_F_RELATIVE_NODES, "MPOL_F_RELATIVE_NODES"},
	{unix.MPOL_F_NUMA_BALANCING, "MPOL_F_NUMA_BALANCING"},
}

// nodeModeText shows the mode of mknod(2) as strace does: S_IFCHR|0666.
func nodeModeText(v uint64) string {
	for _, b := range []bit{{unix.S_IFCHR, "S_IFCHR"}, {unix.S_IFBLK, "S_IFBLK"}, {unix.S_IFIFO, "S_IFIFO"},
		{unix.S_IFREG, "S_IFREG"}, {unix.S_IFSOCK, "S_IFSOCK"}} {
		if v&unix.S_IFMT == b.value {
			return fmt.Sprintf("%s|%#o", b.name, v&^unix.S_IFMT)
		}
	}
	return fmt.Sprintf("%#o", v)
}

func ioprioText(v uint64) string {
	class := valueOf(v>>ioprioShift, []bit{{0, "IOPRIO_CLASS_NONE"}, {1, "IOPRIO_CLASS_RT"}, {2, "IOPRIO_CLASS_BE"},
		{3, "IOPRIO_CLASS_IDLE"}})
	return fmt.Sprintf("IOPRIO_PRIO_VALUE(%s, %d)", class, v&(1<<ioprioShift-1))
}

var seccompFlagNames = []bit{
	{unix.SECCOMP_FILTER_FLAG_TSYNC, "SECCOMP_FILTER_FLAG_TSYNC"},
	{unix.SECCOMP_FILTER_FLAG_LOG, "SECCOMP_FILTER_FLAG_LOG"},
	{unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW, "SECCOMP_FILTER_FLAG_SPEC_ALLOW"},
	{unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, "SECCOMP_FILTER_FLAG_NEW_LISTENER"},
	{unix.SECCOMP_FILTER_FLAG_TSYNC_ESRCH, "SECCOMP_FILTER_FLAG_TSYNC_ESRCH"},
	{unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"},
}

var renameNames = []bit{
	{unix.RENAME_NOREPLACE, "RENAME_NOREPLACE"}, {unix.RENAME_EXCHANGE, "RENAME_EXCHANGE"},
	{unix.RENAME_WHITEOUT, "RENAME_WHITEOUT"},
}

var waitNames = []bit{{unix.WNOHANG, "WNOHANG"}, {unix.WUNTRACED, "WUNTRACED"}, {unix.WALL, "__WALL"}}

var schedulerNames = []bit{
	{unix.SCHED_NORMAL, "SCHED_OTHER"}, {unix.SCHED_FIFO, "SCHED_FIFO"}, {unix.SCHED_RR, "SCHED_RR"},
	{unix.SCHED_BATCH, "SCHED_BATCH"}, {schedISO, "SCHED_ISO"}, {unix.SCHED_IDLE, "SCHED_IDLE"},
	{unix.SCHED_DEADLINE, "SCHED_DEADLINE"},
}

// schedISO is reserved in linux/sched.h and not in x/sys/unix.
const schedISO = 4

var schedulerFlagNames = []bit{
	{unix.SCHED_FLAG_RESET_ON_FORK, "SCHED_FLAG_RESET_ON_FORK"}, {unix.SCHED_FLAG_RECLAIM, "SCHED_FLAG_RECLAIM"},
	{unix.SCHED_FLAG_DL_OVERRUN, "SCHED_FLAG_DL_OVERRUN"}, {unix.SCHED_FLAG_KEEP_POLICY, "SCHED_FLAG_KEEP_POLICY"},
	{unix.SCHED_FLAG_KEEP_PARAMS, "SCHED_FLAG_KEEP_PARAMS"},
	{unix.SCHED_FLAG_UTIL_CLAMP_MIN, "SCHED_FLAG_UTIL_CLAMP_MIN"},
	{unix.SCHED_FLAG_UTIL_CLAMP_MAX, "SCHED_FLAG_UTIL_CLAMP_MAX"},
}

// keyNames are the permissions of a key (keyctl_setperm(3)): of its possessor and of
// its user.
var keyNames = []bit{
	{0x3f000000, "KEY_POS_ALL"}, {0x3f0000, "KEY_USR_ALL"}, {0x3f00, "KEY_GRP_ALL"}, {0x3f, "KEY_OTH_ALL"},
	{0x010000, "KEY_USR_VIEW"}, {0x020000, "KEY_USR_READ"}, {0x040000, "KEY_USR_WRITE"},
	{0x080000, "KEY_USR_SEARCH"}, {0x100000, "KEY_USR_LINK"}, {0x200000, "KEY_USR_SETATTR"},
}
