package compare

import (
	"path"
	"strings"
)

// reasons explains facts in which runtimes are known to differ from minirun. The test
// suite's own list, tests/compare, is longer.
var reasons = [...]struct{ fact, why string }{
	{"mount /proc/*", "minirun masks files with the host's /dev/null, because an image may have replaced the " +
		"container's (CVE-2025-31133)"},
	{"mount /sys/fs/cgroup*", "a read-only cgroup mount: the tmpfs of cgroup v1 is also read-only in minirun, " +
		"and crun uses other options for each hierarchy"},
	{"/dev/core", "some runtimes create it, a link to /proc/kcore, which is masked"},
	{"cgroup *", "without linux.cgroupsPath each runtime chooses its own default, and some do not use the v2 tree " +
		"of a hybrid host"},
	{"limit cpu.weight", "runtimes convert linux.resources.cpu.shares to a weight with an old or a new formula"},
	{"limit pids.max", "a runtime that sets no limit leaves systemd's default"},
	{"limit Max *", "a runtime written in Go raises its own soft limit of open files"},
	{"descriptor *", "some runtimes leave descriptors open for the program, or replace a standard " +
		"descriptor by a pipe"},
	{"environ", "the order of variables differs, or HOME, which each runtime looks up in its own way"},
	{"status Seccomp*", "libseccomp may add filters or actions"},
	{"status Cap*", "a capability that this machine does not have is ignored by some runtimes and refused by others"},
}

// explain returns the explanation of a fact, "" if there is none. A pattern that ends in
// * also matches names with slashes.
func explain(fact string) string {
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
