package doctor

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/spec"
)

func checkPrivilege() Finding {
	last, _ := strconv.Atoi(readText("/proc/sys/kernel/cap_last_cap"))
	return judgePrivilege(os.Geteuid(), effectiveCapabilities(readText("/proc/self/status")), last)
}

// effectiveCapabilities returns the effective set in a text of /proc/PID/status.
func effectiveCapabilities(status string) uint64 {
	for line := range strings.Lines(status) {
		if hex, ok := strings.CutPrefix(line, "CapEff:"); ok {
			set, _ := strconv.ParseUint(strings.TrimSpace(hex), 16, 64)
			return set
		}
	}
	return 0
}

// judgePrivilege decides what a user with a set of capabilities can do; last is the
// number of the kernel's last capability.
func judgePrivilege(uid int, set uint64, last int) Finding {
	if uid != 0 {
		return Finding{
			Name: "privilege", Verdict: Info, Found: fmt.Sprintf("user %d: containers need a user namespace", uid),
			Fix: "write their config.json with: minirun spec --rootless",
		}
	}
	var missing []string
	for n, name := range spec.CapabilityNames() {
		if n <= last && set&(1<<n) == 0 {
			missing = append(missing, name)
		}
	}
	f := Finding{Name: "privilege", Verdict: Warn, Found: "root without " + strings.Join(missing, " ")}
	switch {
	case len(missing) == 0:
		f.Verdict, f.Found = OK, "root with all capabilities"
	case slices.Contains(missing, "CAP_SYS_ADMIN"):
		f.Verdict = Fail
		f.Fix = "without CAP_SYS_ADMIN there are no namespaces: " +
			"if this machine is a container, start it with --privileged"
	default:
		f.Fix = "features that need these capabilities fail, above all in privileged containers: " +
			"if this machine is a container, start it with more"
	}
	return f
}

// checkNamespaces creates a process in each kind of namespace.
func checkNamespaces() Finding {
	var created, failed []string
	var failure error
	for _, n := range []struct {
		name string
		flag uintptr
	}{
		{"mount", unix.CLONE_NEWNS}, {"uts", unix.CLONE_NEWUTS}, {"ipc", unix.CLONE_NEWIPC}, {"pid", unix.CLONE_NEWPID},
		{"network", unix.CLONE_NEWNET}, {"cgroup", unix.CLONE_NEWCGROUP}, {"user", unix.CLONE_NEWUSER},
	} {
		flags := n.flag
		if os.Geteuid() != 0 {
			flags |= unix.CLONE_NEWUSER
		}
		cmd := exec.Command("/proc/self/exe", "--version")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags}
		if err := cmd.Run(); err != nil {
			failed, failure = append(failed, n.name), err
			continue
		}
		created = append(created, n.name)
	}
	if readText("/proc/self/timens_offsets") != "" {
		created = append(created, "time")
	} else {
		failed = append(failed, "time")
	}
	return judgeNamespaces(created, failed, failure)
}

// judgeNamespaces decides whether a container can run with the kinds of namespaces
// that could be created. failure is the last error, nil if there was none.
func judgeNamespaces(created, failed []string, failure error) Finding {
	f := Finding{Name: "namespaces", Verdict: OK, Found: strings.Join(created, " ")}
	if len(failed) > 0 {
		f.Verdict, f.Found = Warn, f.Found+"; not "+strings.Join(failed, " ")
		f.Fix = "see /proc/sys/user/max_*_namespaces and the kernel's CONFIG_*_NS"
		if failure != nil {
			f.Found += ": " + failure.Error()
		}
	}
	if slices.Contains(failed, "mount") || slices.Contains(failed, "pid") {
		f.Verdict = Fail
	}
	return f
}

func checkUserNamespaces() Finding {
	return judgeUserNamespaces(namespaces.ReadUserNamespaceSettings())
}

func judgeUserNamespaces(s namespaces.UserNamespaceSettings) Finding {
	f := Finding{Name: "user namespaces", Verdict: OK, Found: "up to " + s.Limit}
	switch {
	case s.Limit == "0":
		f.Verdict, f.Fix = Warn, "sysctl user.max_user_namespaces=10000"
	case s.Debian == "0":
		f.Verdict, f.Found, f.Fix = Warn, "only for root", "for other users: sysctl kernel.unprivileged_userns_clone=1"
	case s.Restricted == "1":
		f.Verdict, f.Found = Warn, "AppArmor does not allow them for users"
		f.Fix = "sysctl kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile for minirun with userns"
	}
	return f
}

func checkIDRanges() Finding {
	_, uidErr := exec.LookPath("newuidmap")
	_, gidErr := exec.LookPath("newgidmap")
	if uidErr != nil || gidErr != nil {
		return Finding{
			Name: "id ranges", Verdict: Info, Found: "newuidmap and newgidmap are not installed",
			Fix: "users have only one ID in their containers; for more: apt-get install uidmap",
		}
	}
	uids, gids := countLines(readText("/etc/subuid")), countLines(readText("/etc/subgid"))
	found := fmt.Sprintf("newuidmap, newgidmap; %d ranges in /etc/subuid, %d in /etc/subgid", uids, gids)
	return Finding{Name: "id ranges", Verdict: OK, Found: found}
}

// countLines counts the lines of a text that are not empty.
func countLines(text string) int {
	return len(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' }))
}
