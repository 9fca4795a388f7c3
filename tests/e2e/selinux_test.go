package e2e

import (
	"os"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/tests/testbundle"
)

const (
	processLabel = "system_u:system_r:container_t:s0:c1,c2"
	otherLabel   = "system_u:system_r:container_t:s0:c3,c4"
	filesLabel   = "system_u:object_r:container_file_t:s0:c1,c2"
)

// needSELinux skips the test if the kernel does not use SELinux, or its policy does not know containers:
// `tests/vm/test --release trixie selinux` runs a machine with Debian's policy.
func needSELinux(t *testing.T) {
	t.Helper()
	testbundle.Need(t)
	for _, label := range []string{processLabel, otherLabel, filesLabel} {
		if err := os.WriteFile("/sys/fs/selinux/context", []byte(label), 0); err != nil {
			t.Skip("needs SELinux with a policy for containers: ", err)
		}
	}
}

// TestSELinuxLabels: the process has its label, and the container's new file systems have theirs. The
// kernel's own, such as proc and mqueue, accept none.
func TestSELinuxLabels(t *testing.T) {
	needSELinux(t)
	b, _ := up(t, func(s *specs.Spec) { s.Process.SelinuxLabel, s.Linux.MountLabel = processLabel, filesLabel })
	in(b, "tr -d '\\0' </proc/1/attr/current; echo; tr -d '\\0' </proc/self/attr/current").Prints(t, processLabel+"\n"+processLabel)
	mounts := in(b, "cat /proc/mounts").Stdout
	labelled := map[string]bool{}
	for line := range strings.Lines(mounts) {
		f := strings.Fields(line)
		labelled[f[1]] = strings.Contains(f[3], `context="`+filesLabel+`"`)
	}
	for path, want := range map[string]bool{"/dev": true, "/dev/shm": true, "/dev/pts": true, "/proc": false, "/sys": false, "/dev/mqueue": false} {
		if got, ok := labelled[path]; !ok || got != want {
			t.Errorf("%s is a mount: %t; it has the label: %t, want %t:\n%s", path, ok, got, want, mounts)
		}
	}
	r := b.Minirun("exec", "--process-label", otherLabel, b.ID, "sh", "-c", "tr -d '\\0' </proc/self/attr/current")
	r.Prints(t, otherLabel)
	b.Minirun("exec", "--process-label", "no_u:no_r:no_t:s0", b.ID, "true").Fails(t, "selinuxLabel", "invalid argument")
}
