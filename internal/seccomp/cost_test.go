package seccomp

import (
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// TestInstructionsPerCall counts the instructions that calls cost with Docker's profile, and compares with
// libseccomp. (If the kernel can prove in advance that a call is allowed regardless of its
// arguments, it does not run the filter for it; see tree.go. The count is the cost of all other
// calls, and of all calls on kernels before 5.11.)
func TestInstructionsPerCall(t *testing.T) {
	p := dockerProfile(t)
	got, err := Compile(p, specs.ArchX86_64)
	if err != nil {
		t.Fatal(err)
	}
	want, _ := askOracle(t, p, specs.ArchX86_64)
	t.Logf("length %d, libseccomp %d", len(got.Filter), len(want))
	sum, sumWant := 0, 0
	names := []string{"read", "write", "openat", "close", "mmap", "brk", "futex", "execve", "clone", "clone3",
		"socket", "ioctl", "getpid", "epoll_wait", "personality", "mount", "unshare"}
	for _, name := range names {
		d := callData{audit: archNamed(specs.ArchX86_64).audit, nr: uint32(callsX86_64[callID(name, 0)])}
		_, n := run(got.Filter, &d)
		_, m := run(want, &d)
		t.Logf("%-12s %3d instructions, libseccomp %3d", name, n, m)
		sum += n
		sumWant += m
	}
	if n := sum / len(names); n > 16 || sum >= sumWant {
		t.Errorf("%d instructions a call on average, libseccomp %d", n, sumWant/len(names))
	}
	if len(got.Filter) >= len(want) {
		t.Errorf("%d instructions, libseccomp has %d", len(got.Filter), len(want))
	}
}
