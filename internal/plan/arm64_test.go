package plan

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

// TestARM64 builds this package's tests, including TestCallNumbersMatchHeaders, for arm64 and runs them under qemu.
func TestARM64(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it builds a test binary for arm64 and runs qemu")
	}
	if runtime.GOARCH == "arm64" {
		t.Skip("this is arm64")
	}
	const qemu = "/usr/bin/qemu-aarch64-static"
	if _, err := os.Stat(qemu); err != nil {
		t.Skipf("qemu's user-mode emulation is not installed: %v (Debian: qemu-user-static)", err)
	}
	binary := filepath.Join(t.TempDir(), "arm64.test")
	build := exec.Command("go", "test", "-c", "-o", binary, ".")
	build.Env = append(os.Environ(), "GOARCH=arm64", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build for arm64: %v\n%s", err, out)
	}
	if out, err := exec.Command(qemu, binary, "-test.v").CombinedOutput(); err != nil {
		t.Errorf("under qemu: %v\n%s", err, out)
	}
}
