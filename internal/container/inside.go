package container

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/sys/mountinfo"
	"github.com/moby/sys/user"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/regularfile"
	"github.com/minirun/minirun/internal/spec"
)

// This file does from outside what the process inside cannot do, or what needs more
// than a list of system calls.

// maxPasswd limits how much of an image's /etc/passwd is read, in bytes.
const maxPasswd = 1 << 20

// home returns the home directory of process.user in the container's /etc/passwd, "/"
// if there is none, as in runc.
func (c *child) home() (string, error) {
	root, err := unix.Open("/proc/"+strconv.Itoa(c.proc.Pid)+"/root", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", fmt.Errorf("open the container's root: %w", err)
	}
	defer unix.Close(root)
	home, err := c.homeIn(root, unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_MAGICLINKS)
	if err != nil {
		return "/", nil // not readable: so the home directory is unknown
	}
	return home, nil
}

// homeIn looks up the user in etc/passwd below an open root directory. A file that is
// missing or is not regular gives "/"; an error is for a path that cannot be resolved
// as resolve demands.
func (c *child) homeIn(root int, resolve uint64) (string, error) {
	f, err := regularfile.OpenIn(root, "etc/passwd", resolve)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EISDIR) || errors.Is(err, regularfile.ErrNotRegular) {
		return "/", nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	uid := int(c.spec.Process.User.UID)
	users, err := user.ParsePasswdFilter(io.LimitReader(f, maxPasswd), func(u user.User) bool { return u.Uid == uid })
	if err != nil || len(users) == 0 || users[0].Home == "" || len(users[0].Home) > 4000 {
		return "/", nil
	}
	return users[0].Home, nil
}

// rlimits sets resource limits from outside: in its user namespace the process may not
// raise a hard limit.
func (c *child) rlimits() error {
	for i, l := range c.spec.Process.Rlimits {
		resource, _ := spec.Rlimit(l.Type)
		if err := unix.Prlimit(c.proc.Pid, resource, &unix.Rlimit{Cur: l.Soft, Max: l.Hard}, nil); err != nil {
			return fmt.Errorf("config.json: process.rlimits[%d]: limit %s to %d and %d: %w%s", i, l.Type, l.Soft, l.Hard, err,
				lacking(err, "CAP_SYS_RESOURCE", "to raise a hard limit"))
		}
	}
	return nil
}

// hint returns a hint for a failed step.
func (c *child) hint(step int, errno unix.Errno) string {
	s := &c.plan.Steps[step]
	switch {
	case s.Call == plan.Prlimit && errno == unix.EPERM:
		return ": minirun needs CAP_SYS_RESOURCE to raise a hard limit"
	case s.Call == plan.SchedSetattr:
		return schedulerHint(c.spec.Process.Scheduler, errno)
	case s.Call == plan.Capset && errno == unix.EPERM:
		return ": minirun does not have all of these capabilities itself"
	case s.Call == plan.Write && s.Source == "process.apparmorProfile" && errno == unix.ENOENT:
		return ": no AppArmor profile of this name is loaded: aa-status(8) lists them, apparmor_parser(8) loads one"
	case errno == unix.EPERM && c.changesLockedFlags(s):
		return ": the option clears a flag of the host's mount, or changes its access time, which is locked in a user namespace\nhint: omit the option, or mount the source with other flags on the host: docs/mounts.md"
	case (s.Call == plan.PivotRoot || s.Call == plan.Mount) && errno == unix.EINVAL:
		return rootHint(s.Call)
	case s.Source == "process.user" && errno == unix.EINVAL:
		return c.unmappedUser(s)
	}
	return ""
}

// unmappedUser explains EINVAL from a change of user or group.
func (c *child) unmappedUser(s *plan.Step) string {
	kind := "uid"
	if s.Call == plan.Setresgid {
		kind = "gid"
	} else if s.Call != plan.Setresuid {
		return ""
	}
	return ": " + namespaces.Unmapped(kind, uint32(s.Args[0].Value), c.spec.Linux.UIDMappings)
}

// schedulerHint explains EPERM and EBUSY from sched_setattr(2).
func schedulerHint(s *specs.Scheduler, errno unix.Errno) string {
	switch {
	case s.Policy == specs.SchedDeadline && errno == unix.EBUSY:
		return ": the CPUs do not have enough time left for this runtime and period (sched(7), SCHED_DEADLINE)"
	case s.Policy == specs.SchedDeadline && errno == unix.EPERM:
		return ": it needs CAP_SYS_NICE, and a process that may run on all CPUs (sched(7), SCHED_DEADLINE)\n" +
			"hint: omit linux.resources.cpu.cpus, and use a cgroup whose cpuset has all CPUs"
	case errno == unix.EPERM:
		return ": minirun needs CAP_SYS_NICE for this policy or priority"
	}
	return ""
}

// changesLockedFlags reports whether a step sets the flags of a mount of config.json
// in a user namespace, where the flags of the host's mounts are locked.
func (c *child) changesLockedFlags(s *plan.Step) bool {
	sets := s.Call == plan.MountSetattr || s.Call == plan.Mount && s.Args[3].Value&unix.MS_REMOUNT != 0
	return sets && strings.HasPrefix(s.Source, "mounts[") && strings.HasSuffix(s.Source, "]") &&
		namespaces.Decide(c.spec).Has(unix.CLONE_NEWUSER)
}

// rootHint examines the root that minirun itself runs in: it is the reason if
// pivot_root(2) or the change of its propagation returns EINVAL.
func rootHint(call plan.Call) string {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return ""
	}
	defer f.Close()
	table, err := mountinfo.GetMountsFromReader(f, mountinfo.SingleEntryFilter("/"))
	switch {
	case err != nil:
		return ""
	case len(table) == 0:
		return ": the root that minirun runs in is not a mount point, as in a plain chroot: bind-mount the directory onto itself first (mount --bind DIR DIR), then chroot into it"
	case call == plan.PivotRoot && slices.Contains([]string{"rootfs", "ramfs", "tmpfs"}, table[len(table)-1].FSType):
		return fmt.Sprintf(": the root that minirun runs in has the type %s: the kernel's initial root (rootfs, ramfs) cannot be moved by pivot_root: use --no-pivot", table[len(table)-1].FSType)
	}
	return ""
}
