package seccomp

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestNativeNumber compares with the numbers of x/sys/unix, which are those of this architecture.
func TestNativeNumber(t *testing.T) {
	for name, want := range map[string]int{"mkdirat": unix.SYS_MKDIRAT, "ftruncate": unix.SYS_FTRUNCATE} {
		if got, ok := NativeNumber(name); !ok || got != want {
			t.Errorf("%s: %d, %v, want %d", name, got, ok, want)
		}
	}
	if n, ok := NativeNumber("no_such_call"); ok {
		t.Errorf("no_such_call: %d", n)
	}
}
