package security

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMain makes this program a probe, as cmd/minirun-lab is one.
func TestMain(m *testing.M) {
	RunProbe(os.Args)
	os.Exit(m.Run())
}

// TestProbeReportsTheErrno: without a filter the kernel looks at the call's arguments.
func TestProbeReportsTheErrno(t *testing.T) {
	for number, want := range map[int]unix.Errno{unix.SYS_MKDIRAT: unix.EFAULT, unix.SYS_FTRUNCATE: unix.EINVAL,
		unix.SYS_FSYNC: unix.EBADF, 100000: unix.ENOSYS, unix.SYS_GETPID: 0} {
		if got, err := probeHere(number); err != nil || got != want {
			t.Errorf("call %d: %v, %v, want %v", number, got, err, want)
		}
	}
}

// TestProbeResultKnowsOtherEnds: the exit status of a runtime that failed, or of a killed program, is not an errno.
func TestProbeResultKnowsOtherEnds(t *testing.T) {
	for status, want := range map[int]bool{1: false, 2: false, 63: false, 64: true, 65: true, 64 + 38: true, 255: false, -1: false} {
		if errno, ok := probeResult(status); ok != want || ok && int(errno) != status-64 {
			t.Errorf("%d: %v, %v", status, errno, ok)
		}
	}
}

// TestDescribeCall: what a learner reads about a call that is not as expected.
func TestDescribeCall(t *testing.T) {
	for _, c := range []struct {
		names          []string
		found, natural unix.Errno
		want           string
	}{
		{[]string{"mkdir"}, unix.EFAULT, unix.EFAULT, "no filter forbids it: the kernel looks at its arguments"},
		{[]string{"mkdir"}, unix.EPERM, unix.EFAULT, "it fails with %s"},
		{[]string{"mkdir", "mknod"}, unix.EFAULT, unix.EFAULT, "these do not fail so: %s"},
	} {
		if got := describeCall(c.names, c.found, c.natural); got.Format != c.want {
			t.Errorf("%v: %q, want %q", c, got.Format, c.want)
		}
	}
}
