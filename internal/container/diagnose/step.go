package diagnose

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/plan"
)

// ExplainStep explains why a step of a plan failed, with a hint where there is one. The
// result continues the error's text; "" if nothing more is known.
func ExplainStep(config *specs.Spec, s *plan.Step, errno unix.Errno) string {
	switch {
	case s.Call == plan.Prlimit && errno == unix.EPERM:
		return ": minirun needs CAP_SYS_RESOURCE to raise a hard limit"
	case s.Call == plan.SchedSetattr:
		return ExplainScheduler(config.Process.Scheduler, errno)
	case s.Call == plan.Capset && errno == unix.EPERM:
		return ": minirun does not have all of these capabilities itself"
	case s.Call == plan.Write && s.Source == "process.apparmorProfile" && errno == unix.ENOENT:
		return ": no AppArmor profile of this name is loaded: aa-status(8) lists them, apparmor_parser(8) loads one"
	case errno == unix.EPERM && changesLockedFlags(config, s):
		return ": the option clears a flag of the host's mount, or changes its access time, which is locked in a " +
			"user namespace\n" +
			"hint: omit the option, or mount the source with other flags on the host: docs/mounts.md"
	case (s.Call == plan.PivotRoot || s.Call == plan.Mount) && errno == unix.EINVAL:
		return explainOwnRoot(s.Call)
	case s.Source == "process.user" && errno == unix.EINVAL:
		return explainUser(config, s)
	case namespaces.Decide(config).Has(unix.CLONE_NEWUSER):
		return namespaces.ExplainRefusal(!createsUserNamespace(s), errno)
	}
	return ""
}

func createsUserNamespace(s *plan.Step) bool {
	return s.Call == plan.Unshare && s.Args[0].Value&unix.CLONE_NEWUSER != 0
}

// explainUser explains EINVAL from a change of user or group.
func explainUser(config *specs.Spec, s *plan.Step) string {
	kind := "uid"
	if s.Call == plan.Setresgid {
		kind = "gid"
	} else if s.Call != plan.Setresuid {
		return ""
	}
	id := uint32(s.Args[0].Value)
	if len(config.Linux.UIDMappings) > 0 {
		return fmt.Sprintf(": the user namespace does not map %[1]s %[2]d\nhint: map it with linux.%[1]sMappings in "+
			"config.json, or choose another process.user", kind, id)
	}
	return ": " + namespaces.Unmapped(kind, id, nil)
}

// ExplainScheduler explains EPERM and EBUSY from sched_setattr(2).
func ExplainScheduler(s *specs.Scheduler, errno unix.Errno) string {
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
func changesLockedFlags(config *specs.Spec, s *plan.Step) bool {
	sets := s.Call == plan.MountSetattr || s.Call == plan.Mount && s.Args[3].Value&unix.MS_REMOUNT != 0
	return sets && strings.HasPrefix(s.Source, "mounts[") && strings.HasSuffix(s.Source, "]") &&
		namespaces.Decide(config).Has(unix.CLONE_NEWUSER)
}

// explainOwnRoot examines the root that minirun itself runs in: it is the reason if
// pivot_root(2) or the change of its propagation returns EINVAL.
func explainOwnRoot(call plan.Call) string {
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
		return ": the root that minirun runs in is not a mount point, as in a plain chroot\n" +
			"hint: bind-mount the directory onto itself first (mount --bind DIR DIR), then chroot into it"
	case call == plan.PivotRoot && slices.Contains([]string{"rootfs", "ramfs", "tmpfs"}, table[len(table)-1].FSType):
		return fmt.Sprintf(": the root that minirun runs in has the type %s, "+
			"and the kernel's initial root (rootfs, ramfs) cannot be moved by pivot_root\n"+
			"hint: use --no-pivot", table[len(table)-1].FSType)
	}
	return ""
}

// MissingCapability returns the hint for an error that a missing capability explains.
func MissingCapability(err error, capability, to string) string {
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return fmt.Sprintf(": minirun needs %s %s", capability, to)
	}
	return ""
}
