package executor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

const binfmt = "/proc/sys/fs/binfmt_misc"

// emulators are QEMU's names for machine architectures.
var emulators = map[string]string{
	"386": "i386", "amd64": "x86_64", "arm": "arm", "arm64": "aarch64", "loong64": "loongarch64", "mips64le": "mips64el",
	"ppc64le": "ppc64le", "riscv64": "riscv64", "s390x": "s390x",
}

// explainForeign adds to an execve error that the program may be for a different architecture,
// which the kernel runs only with an emulator.
func explainForeign(arch string) string {
	if arch == "" || arch == runtime.GOARCH {
		return ""
	}
	return explainEmulation(arch, binfmt)
}

// explainEmulation describes what is missing to run programs for a different architecture.
func explainEmulation(arch, dir string) string {
	name := emulators[arch]
	if name == "" {
		return fmt.Sprintf(" (the program is for linux/%s, this machine is linux/%s)", arch, runtime.GOARCH)
	}
	state, err := os.ReadFile(filepath.Join(dir, "qemu-"+name))
	switch {
	case err == nil && strings.HasPrefix(string(state), "enabled"):
		return fmt.Sprintf(". QEMU is registered for linux/%s in %s, but it cannot execute the program", arch, dir)
	case err == nil:
		return fmt.Sprintf(
			". QEMU is registered for linux/%s in %s, but disabled\nhint: echo 1 > %s/qemu-%s", arch, dir, dir, name,
		)
	case !errors.Is(err, os.ErrNotExist):
		return " (" + err.Error() + ")"
	}
	return fmt.Sprintf(
		". There is no QEMU user emulation for linux/%s in %s\n"+
			"hint: on Debian: apt-get install qemu-user-static binfmt-support",
		arch, dir,
	)
}
