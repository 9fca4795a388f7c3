package plan

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// A bit is a flag or a value and its name in the kernel's headers.
type bit struct {
	value uint64
	name  string
}

func flagText(v uint64, sh shape) string {
	switch sh {
	case openFlags:
		return openFlagText(v)
	case closeRangeFlags:
		return joinFlags(v, []bit{{unix.CLOSE_RANGE_UNSHARE, "CLOSE_RANGE_UNSHARE"},
			{unix.CLOSE_RANGE_CLOEXEC, "CLOSE_RANGE_CLOEXEC"}})
	case mountFlags:
		return joinFlags(v, mountNames)
	case umountFlags:
		return joinFlags(v, []bit{{unix.MNT_FORCE, "MNT_FORCE"}, {unix.MNT_DETACH, "MNT_DETACH"},
			{unix.UMOUNT_NOFOLLOW, "UMOUNT_NOFOLLOW"}})
	case openTreeFlags:
		return joinFlags(v, []bit{{unix.OPEN_TREE_CLONE, "OPEN_TREE_CLONE"},
			{unix.OPEN_TREE_CLOEXEC, "OPEN_TREE_CLOEXEC"}, {unix.AT_RECURSIVE, "AT_RECURSIVE"},
			{unix.AT_EMPTY_PATH, "AT_EMPTY_PATH"}, {unix.AT_SYMLINK_NOFOLLOW, "AT_SYMLINK_NOFOLLOW"}})
	case moveMountFlags:
		return joinFlags(v, []bit{{unix.MOVE_MOUNT_F_EMPTY_PATH, "MOVE_MOUNT_F_EMPTY_PATH"},
			{unix.MOVE_MOUNT_T_EMPTY_PATH, "MOVE_MOUNT_T_EMPTY_PATH"},
			{unix.MOVE_MOUNT_T_SYMLINKS, "MOVE_MOUNT_T_SYMLINKS"}})
	case atFlags:
		return joinFlags(v, []bit{{unix.AT_EMPTY_PATH, "AT_EMPTY_PATH"}, {unix.AT_RECURSIVE, "AT_RECURSIVE"},
			{unix.AT_SYMLINK_NOFOLLOW, "AT_SYMLINK_NOFOLLOW"}, {unix.AT_EACCESS, "AT_EACCESS"}})
	case unlinkFlags: // AT_REMOVEDIR has the same value as AT_EACCESS
		return joinFlags(v, []bit{{unix.AT_REMOVEDIR, "AT_REMOVEDIR"}})
	case fsmountFlags:
		return joinFlags(v, []bit{{unix.FSMOUNT_CLOEXEC, "FSMOUNT_CLOEXEC"}})
	case fsopenFlags:
		return joinFlags(v, []bit{{unix.FSOPEN_CLOEXEC, "FSOPEN_CLOEXEC"}})
	case mountAttrFlags:
		return mountAttrText(v)
	case cloneFlags:
		return cloneText(v)
	case dupFlags:
		return joinFlags(v, []bit{{unix.O_CLOEXEC, "O_CLOEXEC"}})
	case accessMode:
		return joinFlags(v, []bit{{unix.R_OK, "R_OK"}, {unix.W_OK, "W_OK"}, {unix.X_OK, "X_OK"}})
	case socketType:
		return joinType(v, socketMask, socketNames)
	case nodeMode:
		return nodeModeText(v)
	case renameFlags:
		return joinFlags(v, renameNames)
	case seccompFlags:
		return joinFlags(v, seccompFlagNames)
	case waitOptions:
		return joinFlags(v, waitNames)
	case ioprioValue:
		return ioprioText(v)
	case memoryPolicy:
		return joinType(v, ^uint64(unix.MPOL_MODE_FLAGS), memoryPolicyNames)
	}
	return fmt.Sprintf("%#x", v)
}

// joinFlags writes v as names joined by |, followed by the remaining bits as a number.
func joinFlags(v uint64, names []bit) string {
	var out []string
	for _, b := range names {
		if v&b.value == b.value {
			out = append(out, b.name)
			v &^= b.value
		}
	}
	if v != 0 || len(out) == 0 {
		if len(out) == 0 && v == 0 {
			return "0"
		}
		out = append(out, fmt.Sprintf("%#x", v))
	}
	return strings.Join(out, "|")
}

func openFlagText(v uint64) string {
	mode := [...]string{"O_RDONLY", "O_WRONLY", "O_RDWR", "3"}[v&3]
	rest := v &^ 3
	if rest == 0 {
		return mode
	}
	// O_PATH takes no access mode, so strace prints O_RDONLY before it; so does this
	// function.
	return mode + "|" + joinFlags(rest, []bit{
		{unix.O_CREAT, "O_CREAT"}, {unix.O_EXCL, "O_EXCL"}, {unix.O_NOCTTY, "O_NOCTTY"}, {unix.O_TRUNC, "O_TRUNC"},
		{unix.O_NONBLOCK, "O_NONBLOCK"}, {unix.O_NOFOLLOW, "O_NOFOLLOW"}, {unix.O_CLOEXEC, "O_CLOEXEC"},
		{unix.O_PATH, "O_PATH"}, {unix.O_DIRECTORY, "O_DIRECTORY"},
	})
}

func mountAttrText(v uint64) string {
	out := joinFlags(v&^unix.MOUNT_ATTR__ATIME, []bit{
		{unix.MOUNT_ATTR_RDONLY, "MOUNT_ATTR_RDONLY"}, {unix.MOUNT_ATTR_NOSUID, "MOUNT_ATTR_NOSUID"},
		{unix.MOUNT_ATTR_NODEV, "MOUNT_ATTR_NODEV"}, {unix.MOUNT_ATTR_NOEXEC, "MOUNT_ATTR_NOEXEC"},
		{unix.MOUNT_ATTR_NODIRATIME, "MOUNT_ATTR_NODIRATIME"}, {unix.MOUNT_ATTR_IDMAP, "MOUNT_ATTR_IDMAP"},
		{unix.MOUNT_ATTR_NOSYMFOLLOW, "MOUNT_ATTR_NOSYMFOLLOW"},
	})
	var atime string
	switch v & unix.MOUNT_ATTR__ATIME {
	case 0:
		return out
	case unix.MOUNT_ATTR__ATIME:
		atime = "MOUNT_ATTR__ATIME"
	case unix.MOUNT_ATTR_NOATIME:
		atime = "MOUNT_ATTR_NOATIME"
	case unix.MOUNT_ATTR_STRICTATIME:
		atime = "MOUNT_ATTR_STRICTATIME"
	default:
		atime = fmt.Sprintf("%#x", v&unix.MOUNT_ATTR__ATIME)
	}
	if out == "0" {
		return atime
	}
	return out + "|" + atime
}

// CloneFlags returns the flags of clone(2) as text, also for errors about them.
func CloneFlags(v uint64) string { return cloneText(v) }

func cloneText(v uint64) string {
	out := joinFlags(v&^0xff, []bit{
		{unix.CLONE_NEWNS, "CLONE_NEWNS"}, {unix.CLONE_NEWCGROUP, "CLONE_NEWCGROUP"},
		{unix.CLONE_NEWUTS, "CLONE_NEWUTS"},
		{unix.CLONE_NEWIPC, "CLONE_NEWIPC"}, {unix.CLONE_NEWUSER, "CLONE_NEWUSER"}, {unix.CLONE_NEWPID, "CLONE_NEWPID"},
		{unix.CLONE_NEWNET, "CLONE_NEWNET"}, {unix.CLONE_PARENT, "CLONE_PARENT"},
		{unix.CLONE_CHILD_SETTID, "CLONE_CHILD_SETTID"}, {unix.CLONE_FILES, "CLONE_FILES"},
		{unix.CLONE_PIDFD, "CLONE_PIDFD"},
	})
	switch low := v & 0xff; {
	case low == 0:
		return out
	case low == uint64(unix.SIGCHLD):
		out += "|SIGCHLD"
	case low == unix.CLONE_NEWTIME:
		// CLONE_NEWTIME shares its bit with the signal number, so clone(2) cannot
		// request it, but unshare(2) and setns(2) can.
		out += "|CLONE_NEWTIME"
	default:
		out += fmt.Sprintf("|%#x", low)
	}
	return strings.TrimPrefix(out, "0|")
}

// valueName shows an argument that is one of a list of values.
func valueName(v uint64, sh shape) string { return valueOf(v, valueNames(sh)) }

func valueOf(v uint64, names []bit) string {
	for _, b := range names {
		if b.value == v {
			return b.name
		}
	}
	return fmt.Sprintf("%#x", v)
}

func valueNames(sh shape) []bit {
	switch sh {
	case rlimitResource:
		return rlimitNames
	case prctlOption:
		return prctlNames
	case prctlValue:
		return ambientNames
	case fsconfigCommand:
		return fsconfigNames
	case fcntlCommand:
		return []bit{{unix.F_GETFD, "F_GETFD"}, {unix.F_SETFD, "F_SETFD"}, {unix.F_DUPFD_CLOEXEC, "F_DUPFD_CLOEXEC"}}
	case keyctlCommand:
		return []bit{{unix.KEYCTL_JOIN_SESSION_KEYRING, "KEYCTL_JOIN_SESSION_KEYRING"},
			{unix.KEYCTL_SETPERM, "KEYCTL_SETPERM"}}
	case socketFamily:
		return []bit{{unix.AF_UNIX, "AF_UNIX"}, {unix.AF_INET, "AF_INET"}}
	case seccompOperation:
		return []bit{{unix.SECCOMP_SET_MODE_FILTER, "SECCOMP_SET_MODE_FILTER"}}
	case personality:
		return []bit{{0, "PER_LINUX"}, {perLinux32, "PER_LINUX32"}}
	case ioprioTarget:
		return []bit{{ioprioWhoProcess, "IOPRIO_WHO_PROCESS"}}
	case clock:
		return []bit{{unix.CLOCK_MONOTONIC, "CLOCK_MONOTONIC"}, {unix.CLOCK_REALTIME, "CLOCK_REALTIME"}}
	}
	return ioctlNames
}

var resolveNames = []bit{
	{unix.RESOLVE_NO_XDEV, "RESOLVE_NO_XDEV"}, {unix.RESOLVE_NO_MAGICLINKS, "RESOLVE_NO_MAGICLINKS"},
	{unix.RESOLVE_NO_SYMLINKS, "RESOLVE_NO_SYMLINKS"}, {unix.RESOLVE_BENEATH, "RESOLVE_BENEATH"},
	{unix.RESOLVE_IN_ROOT, "RESOLVE_IN_ROOT"},
}

var mountNames = []bit{
	{unix.MS_RDONLY, "MS_RDONLY"}, {unix.MS_NOSUID, "MS_NOSUID"}, {unix.MS_NODEV, "MS_NODEV"},
	{unix.MS_NOEXEC, "MS_NOEXEC"},
	{unix.MS_SYNCHRONOUS, "MS_SYNCHRONOUS"}, {unix.MS_REMOUNT, "MS_REMOUNT"}, {unix.MS_MANDLOCK, "MS_MANDLOCK"},
	{unix.MS_DIRSYNC, "MS_DIRSYNC"}, {unix.MS_NOSYMFOLLOW, "MS_NOSYMFOLLOW"}, {unix.MS_NOATIME, "MS_NOATIME"},
	{unix.MS_NODIRATIME, "MS_NODIRATIME"}, {unix.MS_BIND, "MS_BIND"}, {unix.MS_MOVE, "MS_MOVE"},
	{unix.MS_REC, "MS_REC"},
	{unix.MS_SILENT, "MS_SILENT"}, {unix.MS_POSIXACL, "MS_POSIXACL"}, {unix.MS_UNBINDABLE, "MS_UNBINDABLE"},
	{unix.MS_PRIVATE, "MS_PRIVATE"}, {unix.MS_SLAVE, "MS_SLAVE"}, {unix.MS_SHARED, "MS_SHARED"},
	{unix.MS_RELATIME, "MS_RELATIME"}, {unix.MS_I_VERSION, "MS_I_VERSION"}, {unix.MS_STRICTATIME, "MS_STRICTATIME"},
	{unix.MS_LAZYTIME, "MS_LAZYTIME"},
}

var rlimitNames = []bit{
	{unix.RLIMIT_CPU, "RLIMIT_CPU"}, {unix.RLIMIT_FSIZE, "RLIMIT_FSIZE"}, {unix.RLIMIT_DATA, "RLIMIT_DATA"},
	{unix.RLIMIT_STACK, "RLIMIT_STACK"}, {unix.RLIMIT_CORE, "RLIMIT_CORE"}, {unix.RLIMIT_RSS, "RLIMIT_RSS"},
	{unix.RLIMIT_NPROC, "RLIMIT_NPROC"}, {unix.RLIMIT_NOFILE, "RLIMIT_NOFILE"}, {unix.RLIMIT_MEMLOCK, "RLIMIT_MEMLOCK"},
	{unix.RLIMIT_AS, "RLIMIT_AS"}, {unix.RLIMIT_LOCKS, "RLIMIT_LOCKS"}, {unix.RLIMIT_SIGPENDING, "RLIMIT_SIGPENDING"},
	{unix.RLIMIT_MSGQUEUE, "RLIMIT_MSGQUEUE"}, {unix.RLIMIT_NICE, "RLIMIT_NICE"}, {unix.RLIMIT_RTPRIO, "RLIMIT_RTPRIO"},
	{unix.RLIMIT_RTTIME, "RLIMIT_RTTIME"},
}

var prctlNames = []bit{
	{unix.PR_SET_PDEATHSIG, "PR_SET_PDEATHSIG"}, {unix.PR_SET_DUMPABLE, "PR_SET_DUMPABLE"},
	{unix.PR_SET_KEEPCAPS, "PR_SET_KEEPCAPS"}, {unix.PR_CAPBSET_READ, "PR_CAPBSET_READ"},
	{unix.PR_CAPBSET_DROP, "PR_CAPBSET_DROP"}, {unix.PR_SET_NO_NEW_PRIVS, "PR_SET_NO_NEW_PRIVS"},
	{unix.PR_CAP_AMBIENT, "PR_CAP_AMBIENT"}, {unix.PR_SET_NAME, "PR_SET_NAME"},
}

var ambientNames = []bit{
	{unix.PR_CAP_AMBIENT_RAISE, "PR_CAP_AMBIENT_RAISE"}, {unix.PR_CAP_AMBIENT_CLEAR_ALL, "PR_CAP_AMBIENT_CLEAR_ALL"},
}

var fsconfigNames = []bit{
	{unix.FSCONFIG_SET_FLAG, "FSCONFIG_SET_FLAG"}, {unix.FSCONFIG_SET_STRING, "FSCONFIG_SET_STRING"},
	{unix.FSCONFIG_SET_FD, "FSCONFIG_SET_FD"}, {unix.FSCONFIG_CMD_CREATE, "FSCONFIG_CMD_CREATE"},
}

var ioctlNames = []bit{
	{unix.TIOCSPTLCK, "TIOCSPTLCK"}, {unix.TIOCGPTPEER, "TIOCGPTPEER"}, {unix.TIOCSWINSZ, "TIOCSWINSZ"},
	{unix.TIOCSCTTY, "TIOCSCTTY"}, {unix.TIOCSPGRP, "TIOCSPGRP"}, {unix.SIOCSIFFLAGS, "SIOCSIFFLAGS"},
}
