package testbundle

import (
	"fmt"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// OlderKernel reports whether the kernel is older than a version.
func OlderKernel(t testing.TB, major, minor int) bool {
	t.Helper()
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		t.Fatal(err)
	}
	var has [2]int
	if _, err := fmt.Sscanf(unix.ByteSliceToString(name.Release[:]), "%d.%d", &has[0], &has[1]); err != nil {
		t.Fatal(err)
	}
	return slices.Compare(has[:], []int{major, minor}) < 0
}
