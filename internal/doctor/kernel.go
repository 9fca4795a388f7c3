package doctor

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/apparmor"
)

func checkKernel() Finding {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return Finding{Name: "kernel", Verdict: Fail, Found: err.Error()}
	}
	return judgeKernel(unix.ByteSliceToString(u.Release[:]), unix.ByteSliceToString(u.Machine[:]))
}

// judgeKernel compares the release with the oldest kernel that can run a plan.
func judgeKernel(release, machine string) Finding {
	f := Finding{Name: "kernel", Verdict: OK, Found: "Linux " + release + " on " + machine}
	var major, minor int
	_, _ = fmt.Sscanf(release, "%d.%d", &major, &minor)
	switch {
	case major < 5 || major == 5 && minor < 12:
		f.Verdict, f.Fix = Fail, "minirun needs Linux 5.12 or newer"
	case major < 6 || major == 6 && minor < 8:
		f.Fix = "before Linux 6.8 the paths of an overlay's layers must fit into one page, 4096 bytes"
	}
	return f
}

func checkOverlay() Finding {
	fd, err := unix.Fsopen("overlay", unix.FSOPEN_CLOEXEC)
	if err == nil {
		_ = unix.Close(fd)
	}
	return judgeOverlay(err, readText("/proc/filesystems"))
}

// judgeOverlay decides whether layers can be stacked: openErr is the error of opening
// an overlay, filesystems the content of /proc/filesystems.
func judgeOverlay(openErr error, filesystems string) Finding {
	switch {
	case openErr == nil:
		return Finding{Name: "overlay", Verdict: OK, Found: "layers can be stacked"}
	case slices.Contains(strings.Fields(filesystems), "overlay"):
		return Finding{Name: "overlay", Verdict: OK, Found: "the kernel has it; testing it needs a user namespace"}
	}
	return Finding{
		Name: "overlay", Verdict: Warn, Found: "no overlay: " + openErr.Error(),
		Fix: "load the module: modprobe overlay. Bundles without layers still run",
	}
}

func checkMemfd() Finding {
	fd, err := unix.MemfdCreate("minirun-doctor", unix.MFD_CLOEXEC|unix.MFD_EXEC)
	if errors.Is(err, unix.EINVAL) {
		fd, err = unix.MemfdCreate("minirun-doctor", unix.MFD_CLOEXEC)
	}
	if err == nil {
		_ = unix.Close(fd)
	}
	return judgeMemfd(err, os.Geteuid() == 0)
}

// judgeMemfd decides what an error of memfd_create(2) means: root can run plans from a
// tmpfs instead.
func judgeMemfd(err error, isRoot bool) Finding {
	const fix = "run sysctl vm.memfd_noexec=1, or allow memfd_create in the seccomp filter around minirun"
	f := Finding{Name: "memfd execution"}
	switch {
	case err == nil:
		f.Verdict, f.Found = OK, "supported"
	case isRoot:
		f.Verdict, f.Found, f.Fix = Warn, "memfd_create: "+err.Error()+": plans run from a tmpfs", fix
	default:
		f.Verdict, f.Found = Fail, "memfd_create: "+err.Error()
		f.Fix = "a container's first process runs from a memfd: " + fix
	}
	return f
}

func checkSeccomp() Finding {
	actions := readText("/proc/sys/kernel/seccomp/actions_avail")
	if actions == "" {
		return Finding{
			Name: "seccomp", Verdict: Warn, Found: "the kernel does not support filters",
			Fix: "build it with CONFIG_SECCOMP_FILTER; until then a config.json with linux.seccomp is refused",
		}
	}
	return Finding{Name: "seccomp", Verdict: OK, Found: actions}
}

// checkSystemCalls tries the newest system calls that plans use.
func checkSystemCalls() Finding {
	var missing []string
	how := &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT}
	if fd, err := unix.Openat2(unix.AT_FDCWD, "/", how); err == nil {
		_ = unix.Close(fd)
	} else {
		missing = append(missing, "openat2: "+err.Error())
	}
	err := unix.MountSetattr(-1, "", unix.AT_EMPTY_PATH, &unix.MountAttr{})
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) && os.Geteuid() == 0 {
		missing = append(missing, "mount_setattr: "+err.Error())
	}
	if len(missing) > 0 {
		return Finding{
			Name: "system calls", Verdict: Fail, Found: strings.Join(missing, ", "),
			Fix: "update the kernel, or allow these calls in the seccomp filter that this machine runs under",
		}
	}
	return Finding{Name: "system calls", Verdict: OK, Found: "openat2, mount_setattr"}
}

func checkSecurityModules() Finding {
	modules := readText("/sys/kernel/security/lsm")
	if modules == "" {
		return Finding{
			Name: "security modules", Verdict: Info, Found: "none visible (securityfs is not mounted)",
			Fix: "a config.json with apparmorProfile or selinuxLabel is refused",
		}
	}
	f := Finding{Name: "security modules", Verdict: Info, Found: strings.ReplaceAll(modules, ",", " ")}
	if apparmor.Enabled() && !apparmor.HasParser() {
		f.Fix = "containers created from images run without an AppArmor profile; for one: apt-get install apparmor"
	}
	return f
}
