package hostfacts

import (
	"fmt"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/namespaces"
)

// isLinuxBefore reports whether the kernel is older than a version.
func isLinuxBefore(major, minor int) (bool, error) {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return false, fmt.Errorf("uname: %w", err)
	}
	release := unix.ByteSliceToString(name.Release[:])
	var has [2]int
	if _, err := fmt.Sscanf(release, "%d.%d", &has[0], &has[1]); err != nil {
		return false, fmt.Errorf("uname: the kernel's release %q does not begin with a version", release)
	}
	return slices.Compare(has[:], []int{major, minor}) < 0, nil
}

// CloneLast decides whether a container's first process enters a PID namespace given
// by path at the end of its set-up, when processes inside cannot take anything from
// it. A proc file system shows the PID namespace of the process that mounts it, unless
// another one is requested, which needs Linux 6.18.
func CloneLast(s *specs.Spec, setup namespaces.Setup) (bool, error) {
	if !setup.Joined(unix.CLONE_NEWPID) {
		return false, nil
	}
	if !slices.ContainsFunc(s.Mounts, func(m specs.Mount) bool { return m.Type == "proc" }) {
		return true, nil
	}
	old, err := isLinuxBefore(6, 18)
	return !old, err
}
