package plan

import "golang.org/x/sys/unix"

// Call identifies a system call independently of the architecture. Only calls that
// every Linux architecture has are included: openat and mkdirat, not open and mkdir.
type Call uint8

const (
	Read Call = iota
	Write
	Openat
	Openat2
	Close
	CloseRange
	Dup3
	Fcntl
	Ioctl
	Mount
	Umount
	PivotRoot
	Chroot
	Chdir
	Fchdir
	OpenTree
	MoveMount
	MountSetattr
	Fsopen
	Fsconfig
	Fsmount
	Mkdirat
	Mknodat
	Symlinkat
	Unlinkat
	Renameat2
	Fchownat
	Fchown
	Fchmod
	Fstat
	Fchmodat
	Faccessat
	Faccessat2
	Unshare
	Setns
	Clone
	Sethostname
	Setdomainname
	Setsid
	Socket
	Socketpair
	Prctl
	Capset
	Setgroups
	Setresuid
	Setresgid
	Umask
	Prlimit
	Seccomp
	Execve
	ExitGroup
	Keyctl
	Personality
	SchedSetattr
	SchedSetaffinity
	IoprioSet
	SetMempolicy
	ClockGettime
	Getppid
	Wait4
	Ppoll
	Setpgid
	RtSigprocmask
	RtSigtimedwait
	Kill
	Execveat
)

// Name returns the call's name as in the manual pages and in strace.
func (c Call) Name() string { return callNames[c] }

// Number returns the call's number on the architecture that this binary was built for.
func (c Call) Number() uint32 { return uint32(callNumbers[c]) }

// ends reports whether a call does not return when it succeeds.
func (c Call) ends() bool { return c == Execve || c == Execveat || c == ExitGroup }

var callNames = [...]string{
	Read:             "read",
	Write:            "write",
	Openat:           "openat",
	Openat2:          "openat2",
	Close:            "close",
	CloseRange:       "close_range",
	Dup3:             "dup3",
	Fcntl:            "fcntl",
	Ioctl:            "ioctl",
	Mount:            "mount",
	Umount:           "umount2",
	PivotRoot:        "pivot_root",
	Chroot:           "chroot",
	Chdir:            "chdir",
	Fchdir:           "fchdir",
	OpenTree:         "open_tree",
	MoveMount:        "move_mount",
	MountSetattr:     "mount_setattr",
	Fsopen:           "fsopen",
	Fsconfig:         "fsconfig",
	Fsmount:          "fsmount",
	Mkdirat:          "mkdirat",
	Mknodat:          "mknodat",
	Symlinkat:        "symlinkat",
	Unlinkat:         "unlinkat",
	Renameat2:        "renameat2",
	Fchownat:         "fchownat",
	Fchown:           "fchown",
	Fchmod:           "fchmod",
	Fstat:            "fstat",
	Fchmodat:         "fchmodat",
	Faccessat:        "faccessat",
	Faccessat2:       "faccessat2",
	Unshare:          "unshare",
	Setns:            "setns",
	Clone:            "clone",
	Sethostname:      "sethostname",
	Setdomainname:    "setdomainname",
	Setsid:           "setsid",
	Socket:           "socket",
	Socketpair:       "socketpair",
	Prctl:            "prctl",
	Capset:           "capset",
	Setgroups:        "setgroups",
	Setresuid:        "setresuid",
	Setresgid:        "setresgid",
	Umask:            "umask",
	Prlimit:          "prlimit64",
	Seccomp:          "seccomp",
	Execve:           "execve",
	ExitGroup:        "exit_group",
	Keyctl:           "keyctl",
	Personality:      "personality",
	SchedSetattr:     "sched_setattr",
	SchedSetaffinity: "sched_setaffinity",
	IoprioSet:        "ioprio_set",
	SetMempolicy:     "set_mempolicy",
	ClockGettime:     "clock_gettime",
	Getppid:          "getppid",
	Wait4:            "wait4",
	Ppoll:            "ppoll",
	Setpgid:          "setpgid",
	RtSigprocmask:    "rt_sigprocmask",
	RtSigtimedwait:   "rt_sigtimedwait",
	Kill:             "kill",
	Execveat:         "execveat",
}

var callNumbers = [...]uint16{
	Read:             unix.SYS_READ,
	Write:            unix.SYS_WRITE,
	Openat:           unix.SYS_OPENAT,
	Openat2:          unix.SYS_OPENAT2,
	Close:            unix.SYS_CLOSE,
	CloseRange:       unix.SYS_CLOSE_RANGE,
	Dup3:             unix.SYS_DUP3,
	Fcntl:            unix.SYS_FCNTL,
	Ioctl:            unix.SYS_IOCTL,
	Mount:            unix.SYS_MOUNT,
	Umount:           unix.SYS_UMOUNT2,
	PivotRoot:        unix.SYS_PIVOT_ROOT,
	Chroot:           unix.SYS_CHROOT,
	Chdir:            unix.SYS_CHDIR,
	Fchdir:           unix.SYS_FCHDIR,
	OpenTree:         unix.SYS_OPEN_TREE,
	MoveMount:        unix.SYS_MOVE_MOUNT,
	MountSetattr:     unix.SYS_MOUNT_SETATTR,
	Fsopen:           unix.SYS_FSOPEN,
	Fsconfig:         unix.SYS_FSCONFIG,
	Fsmount:          unix.SYS_FSMOUNT,
	Mkdirat:          unix.SYS_MKDIRAT,
	Mknodat:          unix.SYS_MKNODAT,
	Symlinkat:        unix.SYS_SYMLINKAT,
	Unlinkat:         unix.SYS_UNLINKAT,
	Renameat2:        unix.SYS_RENAMEAT2,
	Fchownat:         unix.SYS_FCHOWNAT,
	Fchown:           unix.SYS_FCHOWN,
	Fchmod:           unix.SYS_FCHMOD,
	Fstat:            unix.SYS_FSTAT,
	Fchmodat:         unix.SYS_FCHMODAT,
	Faccessat:        unix.SYS_FACCESSAT,
	Faccessat2:       unix.SYS_FACCESSAT2,
	Unshare:          unix.SYS_UNSHARE,
	Setns:            unix.SYS_SETNS,
	Clone:            unix.SYS_CLONE,
	Sethostname:      unix.SYS_SETHOSTNAME,
	Setdomainname:    unix.SYS_SETDOMAINNAME,
	Setsid:           unix.SYS_SETSID,
	Socket:           unix.SYS_SOCKET,
	Socketpair:       unix.SYS_SOCKETPAIR,
	Prctl:            unix.SYS_PRCTL,
	Capset:           unix.SYS_CAPSET,
	Setgroups:        unix.SYS_SETGROUPS,
	Setresuid:        unix.SYS_SETRESUID,
	Setresgid:        unix.SYS_SETRESGID,
	Umask:            unix.SYS_UMASK,
	Prlimit:          unix.SYS_PRLIMIT64,
	Seccomp:          unix.SYS_SECCOMP,
	Execve:           unix.SYS_EXECVE,
	ExitGroup:        unix.SYS_EXIT_GROUP,
	Keyctl:           unix.SYS_KEYCTL,
	Personality:      unix.SYS_PERSONALITY,
	SchedSetattr:     unix.SYS_SCHED_SETATTR,
	SchedSetaffinity: unix.SYS_SCHED_SETAFFINITY,
	IoprioSet:        unix.SYS_IOPRIO_SET,
	SetMempolicy:     unix.SYS_SET_MEMPOLICY,
	ClockGettime:     unix.SYS_CLOCK_GETTIME,
	Getppid:          unix.SYS_GETPPID,
	Wait4:            unix.SYS_WAIT4,
	Ppoll:            unix.SYS_PPOLL,
	Setpgid:          unix.SYS_SETPGID,
	RtSigprocmask:    unix.SYS_RT_SIGPROCMASK,
	RtSigtimedwait:   unix.SYS_RT_SIGTIMEDWAIT,
	Kill:             unix.SYS_KILL,
	Execveat:         unix.SYS_EXECVEAT,
}

// callShapes describes the meaning of each argument, for Text.
var callShapes = [...][]shape{
	Read:             {descriptor, address, number},
	Write:            {descriptor, buffer, number},
	Openat:           {directory, text, openFlags, octal},
	Openat2:          {directory, text, openHow, number},
	Close:            {descriptor},
	CloseRange:       {number, number, closeRangeFlags},
	Dup3:             {descriptor, descriptor, dupFlags},
	Fcntl:            {descriptor, fcntlCommand, fcntlValue},
	Ioctl:            {descriptor, ioctlRequest, ioctlValue},
	Mount:            {text, text, text, mountFlags, text},
	Umount:           {text, umountFlags},
	PivotRoot:        {text, text},
	Chroot:           {text},
	Chdir:            {text},
	Fchdir:           {descriptor},
	OpenTree:         {directory, text, openTreeFlags},
	MoveMount:        {directory, text, directory, text, moveMountFlags},
	MountSetattr:     {directory, text, atFlags, mountAttr, number},
	Fsopen:           {text, fsopenFlags},
	Fsconfig:         {descriptor, fsconfigCommand, text, text, number},
	Fsmount:          {descriptor, fsmountFlags, mountAttrFlags},
	Mkdirat:          {directory, text, octal},
	Mknodat:          {directory, text, nodeMode, device},
	Symlinkat:        {text, directory, text},
	Unlinkat:         {directory, text, unlinkFlags},
	Renameat2:        {directory, text, directory, text, renameFlags},
	Fchown:           {descriptor, id, id},
	Fchmod:           {descriptor, octal},
	Fstat:            {descriptor, address},
	Fchownat:         {directory, text, id, id, atFlags},
	Fchmodat:         {directory, text, octal},
	Faccessat:        {directory, text, accessMode},
	Faccessat2:       {directory, text, accessMode, atFlags},
	Unshare:          {cloneFlags},
	Setns:            {descriptor, cloneFlags},
	Clone:            {cloneFlags, number, address, number, number},
	Sethostname:      {text, number},
	Setdomainname:    {text, number},
	Setsid:           {},
	Socket:           {socketFamily, socketType, number},
	Socketpair:       {socketFamily, socketType, number, address},
	Prctl:            {prctlOption, prctlValue, prctlValue, number, number},
	Capset:           {capabilityHeader, capabilities},
	Setgroups:        {number, groups},
	Setresuid:        {id, id, id},
	Setresgid:        {id, id, id},
	Umask:            {octal},
	Prlimit:          {number, rlimitResource, rlimit, address},
	Seccomp:          {seccompOperation, seccompFlags, seccompProgram},
	Execve:           {text, vector, environment},
	ExitGroup:        {number},
	Keyctl:           {keyctlCommand, keyctlValue, keyctlValue, number, number},
	Personality:      {personality},
	SchedSetattr:     {number, schedAttr, number},
	SchedSetaffinity: {number, number, bitmask},
	IoprioSet:        {ioprioTarget, number, ioprioValue},
	SetMempolicy:     {memoryPolicy, bitmask, number},
	ClockGettime:     {clock, address},
	Getppid:          {},
	Wait4:            {number, address, waitOptions, address},
	Ppoll:            {pollDescriptors, number, timespec, address, number},
	Setpgid:          {number, number},
	RtSigprocmask:    {number, address, address, number},
	RtSigtimedwait:   {address, address, address, number},
	Kill:             {number, number},
	Execveat:         {descriptor, text, vector, environment, atFlags},
}
