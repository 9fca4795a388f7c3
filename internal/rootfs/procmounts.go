package rootfs

import (
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/spec"
)

// CheckProc refuses mounts that would make a container's /proc something else: on
// /proc itself only proc may be mounted, or a bind of one, and below it only the files
// that tools such as lxcfs replace. minirun itself never trusts a container's /proc,
// but programs in it do; runc has the same rule.
//
// isProc reports whether a host path is in a proc file system.
func CheckProc(s *specs.Spec, bundle string, isProc func(path string) bool) error {
	for i := range s.Mounts {
		m := &s.Mounts[i]
		where := cleanPath(m.Destination)
		if mayMount(m, where) || where == "/proc" && IsBind(m) && isProc(BindSource(bundle, m)) {
			continue
		}
		return &spec.Error{Path: mountSource(i) + ".destination",
			Want: "must not mount anything except proc on or below /proc", Got: fmt.Sprintf("%q", m.Destination)}
	}
	return nil
}

// mayMount applies the rule to a mount on a path without symbolic links.
func mayMount(m *specs.Mount, where string) bool {
	if where == "/proc" {
		return m.Type == "proc"
	}
	return !strings.HasPrefix(where, "/proc/") || slices.Contains(replaceable[:], where)
}

// replaceable are files of /proc with statistics about the machine.
var replaceable = [...]string{
	"/proc/cpuinfo", "/proc/diskstats", "/proc/loadavg", "/proc/meminfo", "/proc/net/dev", "/proc/slabinfo",
	"/proc/stat",
	"/proc/swaps", "/proc/uptime", "/proc/sys/kernel/ns_last_pid", "/proc/sys/crypto/fips_enabled",
}
