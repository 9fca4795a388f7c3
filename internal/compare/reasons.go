package compare

import (
	"path"
	"strings"
)

// reasons explains facts in which runtimes are known to differ from minirun. The test
// suite's own list, tests/compare, is longer. The first one that fits is used.
var reasons = [...]struct{ fact, why string }{
	{"mount /proc/*", "a masked path: minirun covers a file with the host's /dev/null, read-only, because an image " +
		"may have replaced the container's (CVE-2025-31133); other runtimes use the container's"},
	{"mount /sys/firmware*", "a masked directory: runtimes cover it with an empty tmpfs of different size and options"},
	{"mount /dev/[cfnrtuz]*", "a device of the host, bound because a user namespace may not create devices: minirun " +
		"binds it read-only, so that a chmod in the container does not change the host's; it can be written to"},
	{"mount /sys/fs/cgroup/*", "a hierarchy of cgroup v1: runtimes mount it with different sources and options"},
	{"mount /sys/fs/cgroup*", "config.json asks for a read-only cgroup mount: with cgroup v1 minirun makes the tmpfs " +
		"that holds the hierarchies read-only too, others only the hierarchies in it"},
	{"/dev/core", "some runtimes create it, a link to /proc/kcore, which is masked"},
	{"cgroup *", "without linux.cgroupsPath each runtime chooses its own default, and some do not use the v2 tree " +
		"of a hybrid host"},
	{"limit cpu.weight", "runtimes convert linux.resources.cpu.shares to a weight with an old or a new formula"},
	{"limit pids.max", "a runtime that sets no limit leaves systemd's default"},
	{"limit Max *", "a limit that config.json does not set is the runtime's own, and a runtime written in Go raises its " +
		"soft limit of open files"},
	{"descriptor *", "some runtimes leave descriptors open for the program, or replace a standard " +
		"descriptor by a pipe"},
	{"environ", "a variable that config.json gives twice, or the order: each runtime removes duplicates in its own " +
		"way; or HOME, which it looks up in /etc/passwd of the container if config.json does not set it"},
	{"status Seccomp*", "libseccomp, which other runtimes use, may split the filter or add actions"},
	{"status Cap*", "a capability that this machine does not have is ignored by some runtimes and refused by others"},
}

// explain returns the explanation of a fact, "" if there is none. A pattern that ends in
// * also matches names with slashes. A second mount on the same place has the reason of the
// first one.
func explain(fact string) string {
	for strings.HasSuffix(fact, secondMount) {
		fact = strings.TrimSuffix(fact, secondMount)
	}
	for _, r := range reasons {
		if ok, _ := path.Match(r.fact, fact); ok {
			return r.why
		}
		if prefix, open := strings.CutSuffix(r.fact, "*"); open && strings.HasPrefix(fact, prefix) {
			return r.why
		}
	}
	return ""
}
