package namespaces

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// This file explains why the kernel refuses user namespaces to users, as administrators and some
// distributions configure it.

// UserNamespaceSettings are the values of kernel parameters, "" if the kernel does not have one.
type UserNamespaceSettings struct {
	Limit      string // user.max_user_namespaces
	Debian     string // kernel.unprivileged_userns_clone: Debian's and Arch's kernels
	Restricted string // kernel.apparmor_restrict_unprivileged_userns: Ubuntu's kernels
}

// ReadUserNamespaceSettings reads those of this machine.
func ReadUserNamespaceSettings() UserNamespaceSettings {
	return UserNamespaceSettings{
		Limit:      strings.TrimSpace(readText("/proc/sys/user/max_user_namespaces")),
		Debian:     strings.TrimSpace(readText("/proc/sys/kernel/unprivileged_userns_clone")),
		Restricted: strings.TrimSpace(readText("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")),
	}
}

// ExplainRefusal explains errors of this process's new user namespace; "" if the settings are not the
// cause. created reports whether the namespace exists already.
func ExplainRefusal(created bool, errno unix.Errno) string {
	return ReadUserNamespaceSettings().explain(os.Geteuid() == 0, created, errno)
}

func (s UserNamespaceSettings) explain(root, created bool, errno unix.Errno) string {
	switch {
	case !created && errno == unix.ENOSPC && s.Limit == "0":
		return ": this machine allows no user namespaces\n" +
			"hint: as root: sysctl user.max_user_namespaces=10000"
	case root:
		return ""
	case !created && errno == unix.EPERM && s.Debian == "0":
		return ": this machine allows user namespaces only to root\n" +
			"hint: as root: sysctl kernel.unprivileged_userns_clone=1"
	// Ubuntu's kernels create the namespace, but AppArmor takes all capabilities in it from the process.
	case s.Restricted == "1" && (errno == unix.EPERM || errno == unix.EACCES):
		return ": AppArmor restricts user namespaces of users on this machine\n" +
			"hint: as root: sysctl kernel.apparmor_restrict_unprivileged_userns=0, " +
			"or load an AppArmor profile for minirun with the rule userns: docs/install.md"
	}
	return ""
}
