package compare

import "path"

// reasons explains facts in which runtimes are known to differ from minirun. The test
// suite's own list, tests/compare, is longer.
var reasons = []struct{ fact, why string }{
	{"mount /proc/*", "minirun masks files with the host's /dev/null, for the container's own may have been put in its place by the image (CVE-2025-31133)"},
	{"mount /sys/fs/cgroup*", "what a cgroup mount shows: read-only means the tmpfs below too, with minirun; with crun the options of each hierarchy differ"},
	{"/dev/core", "a link to /proc/kcore, which is masked"},
	{"cgroup *", "where a container without linux.cgroupsPath goes: each runtime has a default of its own, and some forget the v2 tree of a hybrid host"},
	{"limit cpu.weight", "linux.resources.cpu.shares is turned into a weight by an old formula and by a new one"},
	{"limit pids.max", "systemd's default, where a runtime sets none"},
	{"limit Max *", "a runtime in Go raises its own soft limit of open files"},
	{"descriptor *", "some runtimes leave descriptors to the program, or hand over a pipe of their own"},
	{"environ", "the order of variables, or HOME, which each runtime looks up in its own way"},
	{"status Seccomp*", "libseccomp may add filters, or actions"},
	{"status Cap*", "a capability that this machine does not have is left out by some, and refused by others"},
}

// why returns the explanation of a fact, "" if there is none.
func why(fact string) string {
	for _, r := range reasons {
		if ok, _ := path.Match(r.fact, fact); ok {
			return r.why
		}
		if n := len(r.fact) - 1; r.fact[n] == '*' && len(fact) >= n && fact[:n] == r.fact[:n] {
			return r.why
		}
	}
	return ""
}
