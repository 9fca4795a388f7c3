package hostfacts

import (
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/apparmor"
	"github.com/minirun/minirun/internal/spec"
)

// CheckLabels refuses labels that the kernel would not enforce.
func CheckLabels(s *specs.Spec) error {
	if s.Process.ApparmorProfile != "" && !apparmor.Enabled() {
		return &spec.Error{Path: "process.apparmorProfile", Want: "needs a kernel with AppArmor enabled",
			Got: fmt.Sprintf("%q", s.Process.ApparmorProfile)}
	}
	if l := s.Process.SelinuxLabel; l != "" && !hasSELinux() {
		return &spec.Error{Path: "process.selinuxLabel", Want: "needs a kernel with SELinux enabled",
			Got: fmt.Sprintf("%q", l)}
	}
	return nil
}

func hasSELinux() bool {
	var fs unix.Statfs_t
	return unix.Statfs("/sys/fs/selinux", &fs) == nil && fs.Type == unix.SELINUX_MAGIC
}
