package namespaces

import (
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/plan"
)

// All are the kinds of namespaces that `exec` may have to join.
const All = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWPID |
	unix.CLONE_NEWCGROUP | unix.CLONE_NEWNET | unix.CLONE_NEWTIME

// Enter adds the steps after which a process is in the namespaces of the process pid:
// those in flags, which it must not be in already. A PID namespace is entered only for
// its children: see EnterPID.
//
// One setns(2) on a pidfd joins all of them or none (Linux 5.8). The kernel takes the
// user namespace first and still checks the capabilities that the caller had before,
// so it does not matter who owns each namespace. Because they are joined by
// descriptor, they are the right ones even if the process exits and its PID is reused.
func Enter(b *plan.Builder, flags uintptr, pid int, rootless bool) {
	if flags == 0 {
		return
	}
	b.In(plan.Namespaces, "linux.namespaces")
	fd := b.File(plan.File{Open: plan.Process, Path: strconv.Itoa(pid), Name: "the container's first process"})
	b.Add(plan.Op{Name: "join the container's namespaces", Why: "all at once: there is no intermediate state"},
		plan.Setns, fd, plan.Int(flags))
	b.Add(plan.Op{Name: "close"}, plan.Close, fd)
	if flags&unix.CLONE_NEWUSER != 0 {
		becomeRoot(b, rootless)
	}
}

// EnterRoot adds the steps that make the directory of an open descriptor the root, for
// a container that shares its mount namespace.
func EnterRoot(b *plan.Builder, pid int) {
	b.In(plan.Filesystem, "root.path")
	fd := b.File(plan.File{Open: plan.OpenRead, Path: "/proc/" + strconv.Itoa(pid) + "/root",
		Name: "the container's root"})
	b.Add(plan.Op{Name: "go to the container's root"}, plan.Fchdir, fd)
	b.Add(plan.Op{
		Name: "make it the root directory",
		Why:  "the mount namespace is shared, so joining it has not changed the root",
	}, plan.Chroot, b.Str("."))
	b.Add(plan.Op{Name: "close"}, plan.Close, fd)
}
