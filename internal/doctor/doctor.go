// Package doctor checks whether a host can run containers: what works, what does not,
// and how to fix it. It changes nothing. Whatever can be tested is tested; a file's
// content is trusted only where a test would leave something on the host.
package doctor

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/cgroups/host"
	"github.com/minirun/minirun/internal/spec"
)

// Verdict is what a finding means for a user who wants to run containers.
type Verdict string

const (
	OK   Verdict = "ok"
	Warn Verdict = "warn" // containers run, some cannot have everything they request
	Fail Verdict = "fail" // no container runs
	Info Verdict = "info"
)

// A Finding is the result of one check.
type Finding struct {
	Name    string  `json:"name"`
	Verdict Verdict `json:"verdict"`
	Found   string  `json:"found"`
	Do      string  `json:"do,omitempty"`
}

// Examine runs all checks. state is the directory for containers' state.
func Examine(state string) []Finding {
	var all []Finding
	for _, look := range []func() []Finding{
		kernel, privilege, namespaces, controlGroups, func() []Finding { return []Finding{overlay(), memfd(), seccomp(), mountAPI()} },
		userNamespaces, idRanges, func() []Finding { return []Finding{modules(), stateDirectory(state), systemd(), criu()} }, programs,
	} {
		all = append(all, look()...)
	}
	return all
}

// Worst returns the worst verdict.
func Worst(all []Finding) Verdict {
	worst := OK
	for _, f := range all {
		if f.Verdict == Fail || f.Verdict == Warn && worst == OK {
			worst = f.Verdict
		}
	}
	return worst
}

func read(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

func kernel() []Finding {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return []Finding{{"kernel", Fail, err.Error(), ""}}
	}
	release, machine := unix.ByteSliceToString(u.Release[:]), unix.ByteSliceToString(u.Machine[:])
	f := Finding{"kernel", OK, "Linux " + release + " on " + machine, ""}
	var major, minor int
	_, _ = fmt.Sscanf(release, "%d.%d", &major, &minor)
	switch {
	case major < 5 || major == 5 && minor < 12:
		f.Verdict, f.Do = Fail, "minirun needs Linux 5.12 or newer"
	case major < 6 || major == 6 && minor < 8:
		f.Do = "before Linux 6.8 the paths of an overlay's layers must fit into one page, 4096 bytes"
	}
	return []Finding{f}
}

func privilege() []Finding {
	if uid := os.Geteuid(); uid != 0 {
		return []Finding{{"privilege", Info, fmt.Sprintf("user %d: containers need a user namespace", uid), "write their config.json with: minirun spec --rootless"}}
	}
	var hex string
	for line := range strings.Lines(read("/proc/self/status")) {
		if rest, ok := strings.CutPrefix(line, "CapEff:"); ok {
			hex = strings.TrimSpace(rest)
		}
	}
	set, _ := strconv.ParseUint(hex, 16, 64)
	last, _ := strconv.Atoi(read("/proc/sys/kernel/cap_last_cap"))
	var lacks []string
	for n, name := range spec.CapabilityNames() {
		if n <= last && set&(1<<n) == 0 {
			lacks = append(lacks, name)
		}
	}
	if len(lacks) == 0 {
		return []Finding{{"privilege", OK, "root with all capabilities", ""}}
	}
	f := Finding{"privilege", Warn, "root without " + strings.Join(lacks, " "), "this machine, possibly a container, gives root no more: features that need them fail, privileged containers first"}
	if slices.Contains(lacks, "CAP_SYS_ADMIN") {
		f.Verdict, f.Do = Fail, "without CAP_SYS_ADMIN there are no namespaces: start this machine's container with --privileged"
	}
	return []Finding{f}
}

// namespaces creates a process in each kind of namespace.
func namespaces() []Finding {
	var made, failed []string
	var why error
	for _, n := range []struct {
		name string
		flag uintptr
	}{
		{"mount", unix.CLONE_NEWNS}, {"uts", unix.CLONE_NEWUTS}, {"ipc", unix.CLONE_NEWIPC}, {"pid", unix.CLONE_NEWPID}, {"network", unix.CLONE_NEWNET},
		{"cgroup", unix.CLONE_NEWCGROUP}, {"user", unix.CLONE_NEWUSER},
	} {
		flags := n.flag
		if os.Geteuid() != 0 {
			flags |= unix.CLONE_NEWUSER
		}
		cmd := exec.Command("/proc/self/exe", "--version")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags}
		if err := cmd.Run(); err != nil {
			failed, why = append(failed, n.name), err
			continue
		}
		made = append(made, n.name)
	}
	if read("/proc/self/timens_offsets") != "" {
		made = append(made, "time")
	} else {
		failed = append(failed, "time")
	}
	f := Finding{"namespaces", OK, strings.Join(made, " "), ""}
	if len(failed) > 0 {
		f.Verdict, f.Found = Warn, f.Found+"; not "+strings.Join(failed, " ")
		f.Do = "see /proc/sys/user/max_*_namespaces and the kernel's CONFIG_*_NS"
		if why != nil {
			f.Found += ": " + why.Error()
		}
	}
	if slices.Contains(failed, "mount") || slices.Contains(failed, "pid") {
		f.Verdict = Fail
	}
	return []Finding{f}
}

func controlGroups() []Finding {
	h, err := host.Detect()
	if err != nil {
		return []Finding{{"cgroups", Fail, err.Error(), "mount them: mount -t cgroup2 cgroup2 /sys/fs/cgroup"}}
	}
	var have []string
	for _, t := range h.V1 {
		have = append(have, t.Controllers...)
	}
	if h.V2 != nil {
		have = append(have, h.V2.Controllers...)
	}
	slices.Sort(have)
	f := Finding{"cgroups", OK, h.Mode.String() + ": " + strings.Join(slices.Compact(have), " "), ""}
	var lacks []string
	for _, names := range [][]string{{"memory"}, {"cpu"}, {"pids"}, {"cpuset"}, {"io", "blkio"}} {
		if !slices.ContainsFunc(names, func(n string) bool { return slices.Contains(have, n) }) {
			lacks = append(lacks, names[0])
		}
	}
	if len(lacks) > 0 {
		f.Verdict, f.Found = Warn, f.Found+"; not "+strings.Join(lacks, " ")
		f.Do = "a container with such a limit is refused. On v2 a controller must be enabled by the parent: write +NAME to its cgroup.subtree_control; memory may be off on the kernel's command line (cgroup_enable=memory)"
	}
	if !h.IsV2Only() {
		f.Do = strings.TrimPrefix(f.Do+"; version 2 needs systemd.unified_cgroup_hierarchy=1 on the kernel's command line", "; ")
	}
	return []Finding{f}
}

func overlay() Finding {
	f := Finding{"overlay", OK, "layers can be stacked", ""}
	fd, err := unix.Fsopen("overlay", unix.FSOPEN_CLOEXEC)
	if err == nil {
		_ = unix.Close(fd)
		return f
	}
	if strings.Contains(read("/proc/filesystems"), "\toverlay\n") || strings.HasSuffix(read("/proc/filesystems"), "\toverlay") {
		f.Found = "the kernel has it; testing it needs a user namespace"
		return f
	}
	return Finding{"overlay", Warn, "no overlay: " + err.Error(), "load the module: modprobe overlay. Bundles without layers still run"}
}

func memfd() Finding {
	fd, err := unix.MemfdCreate("minirun-doctor", unix.MFD_CLOEXEC|unix.MFD_EXEC)
	if err == unix.EINVAL {
		fd, err = unix.MemfdCreate("minirun-doctor", unix.MFD_CLOEXEC)
	}
	if err != nil {
		const hint = "run sysctl vm.memfd_noexec=1, or allow memfd_create in the seccomp filter around minirun"
		if unix.Geteuid() == 0 {
			return Finding{"memfd execution", Warn, "memfd_create: " + err.Error() + ": plans run from a tmpfs", hint}
		}
		return Finding{"memfd execution", Fail, "memfd_create: " + err.Error(), "a container's first process runs from a memfd: " + hint}
	}
	_ = unix.Close(fd)
	return Finding{"memfd execution", OK, "supported", ""}
}

func seccomp() Finding {
	actions := read("/proc/sys/kernel/seccomp/actions_avail")
	if actions == "" {
		return Finding{"seccomp", Warn, "the kernel has no filters", "a config.json with linux.seccomp is refused: CONFIG_SECCOMP_FILTER"}
	}
	return Finding{"seccomp", OK, actions, ""}
}

// mountAPI tries the newest system calls that plans use.
func mountAPI() Finding {
	var lacks []string
	if fd, err := unix.Openat2(unix.AT_FDCWD, "/", &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT}); err == nil {
		_ = unix.Close(fd)
	} else {
		lacks = append(lacks, "openat2: "+err.Error())
	}
	if err := unix.MountSetattr(-1, "", unix.AT_EMPTY_PATH, &unix.MountAttr{}); err == unix.ENOSYS || err == unix.EPERM && os.Geteuid() == 0 {
		lacks = append(lacks, "mount_setattr: "+err.Error())
	}
	if len(lacks) > 0 {
		return Finding{"system calls", Fail, strings.Join(lacks, ", "), "an old kernel, or a filter around this machine that forbids unknown calls"}
	}
	return Finding{"system calls", OK, "openat2, mount_setattr", ""}
}

func userNamespaces() []Finding {
	f := Finding{"user namespaces", OK, "", ""}
	limit := read("/proc/sys/user/max_user_namespaces")
	f.Found = "up to " + limit
	switch {
	case limit == "0":
		f.Verdict, f.Do = Warn, "sysctl user.max_user_namespaces=10000"
	case read("/proc/sys/kernel/unprivileged_userns_clone") == "0":
		f.Verdict, f.Found, f.Do = Warn, "only for root", "sysctl kernel.unprivileged_userns_clone=1 for users without root"
	case read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1":
		f.Verdict, f.Found, f.Do = Warn, "AppArmor does not allow them for users", "sysctl kernel.apparmor_restrict_unprivileged_userns=0, or a profile for minirun with userns"
	}
	return []Finding{f}
}

func idRanges() []Finding {
	f := Finding{"id ranges", OK, "", ""}
	_, err := exec.LookPath("newuidmap")
	_, err2 := exec.LookPath("newgidmap")
	if err != nil || err2 != nil {
		f.Verdict, f.Found, f.Do = Info, "no newuidmap and newgidmap", "users get one ID in their containers; more with: apt-get install uidmap"
		return []Finding{f}
	}
	count := func(file string) int {
		return len(strings.FieldsFunc(read(file), func(r rune) bool { return r == '\n' }))
	}
	f.Found = fmt.Sprintf("newuidmap, newgidmap; %d ranges in /etc/subuid, %d in /etc/subgid", count("/etc/subuid"), count("/etc/subgid"))
	return []Finding{f}
}

func modules() Finding {
	lsm := read("/sys/kernel/security/lsm")
	if lsm == "" {
		return Finding{"security modules", Info, "none can be seen (no securityfs)", "a config.json with apparmorProfile or selinuxLabel is refused"}
	}
	return Finding{"security modules", Info, strings.ReplaceAll(lsm, ",", " "), ""}
}

func stateDirectory(state string) Finding {
	at := state
	for {
		if _, err := os.Stat(at); err == nil || at == "/" {
			break
		}
		at = filepath.Dir(at)
	}
	if err := unix.Access(at, unix.W_OK); err != nil {
		return Finding{"state", Fail, fmt.Sprintf("%s: %v", at, err), "name another directory with --root, or set XDG_RUNTIME_DIR"}
	}
	return Finding{"state", OK, state, ""}
}

func systemd() Finding {
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		return Finding{"systemd", Info, "is not running: minirun creates cgroups itself", ""}
	}
	self, _ := os.Readlink("/proc/self/exe")
	if _, err := os.Stat(filepath.Join(filepath.Dir(self), "minirun-systemd")); err != nil {
		return Finding{"systemd", Warn, "is running, but minirun-systemd is not next to " + self, "--systemd-cgroup needs it: make install puts both in one directory"}
	}
	return Finding{"systemd", OK, "is running; --systemd-cgroup can be used", ""}
}

func criu() Finding {
	if path, err := exec.LookPath("criu"); err == nil {
		return Finding{"criu", OK, path, ""}
	}
	return Finding{"criu", Info, "not installed", "checkpoint and restore need it"}
}

// programs lists engines and other runtimes.
func programs() []Finding {
	find := func(title string, names ...string) Finding {
		var have []string
		for _, n := range names {
			if path, err := exec.LookPath(n); err == nil {
				have = append(have, path)
			}
		}
		if len(have) == 0 {
			return Finding{title, Info, "none of " + strings.Join(names, ", "), ""}
		}
		return Finding{title, Info, strings.Join(have, " "), ""}
	}
	return []Finding{find("engines", "podman", "dockerd", "containerd", "crio", "kubelet", "k3s", "buildkitd"), find("other runtimes", "runc", "crun", "youki")}
}
