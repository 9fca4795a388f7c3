// Package version holds the version of this build.
package version

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// version is set by the Makefile; commit comes from the build's VCS stamp or the Makefile.
var (
	version = "0.1.0-dev"
	commit  = ""
)

// Number returns the version, such as 1.2.3.
func Number() string { return version }

// Text returns the version with its components. It has the format of runc, which Docker, Podman and CRI-O parse: the
// version after the last word "version" of a line, then lines with a name. The last
// line is crun's, in which people and tests look up the features of a build.
func Text() string {
	return fmt.Sprintf("%s\ncommit: %s\nspec: %s\ngo: %s\n+SYSTEMD +SELINUX +APPARMOR +CAP +SECCOMP +EBPF +CRIU",
		version, Revision(), specs.Version, runtime.Version())
}

// Revision returns the commit of this build.
func Revision() string {
	rev := commit
	if info, ok := debug.ReadBuildInfo(); ok && rev == "" {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				rev = s.Value
			}
		}
	}
	if rev == "" {
		rev = "unknown"
	}
	return rev
}
