package signals

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// ignoringSelf makes TestDefaultInChildren the process that ignores signals.
const ignoringSelf = "MINIRUN_TEST_IGNORING"

// TestDefaultInChildren: a process that ignores signals still ignores them, but its children do
// not.
func TestDefaultInChildren(t *testing.T) {
	if os.Getenv(ignoringSelf) == "" {
		cmd := exec.Command("/bin/sh", "-c", `for s in $(seq 64); do trap '' $s; done 2>/dev/null; exec "$@"`, "sh", os.Args[0], "-test.run=^TestDefaultInChildren$")
		cmd.Env = append(os.Environ(), ignoringSelf+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return
	}
	DefaultInChildren()
	for _, s := range []unix.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGTSTP, unix.SIGTTIN} {
		if err := unix.Kill(os.Getpid(), s); err != nil { // would kill or stop it here
			t.Fatal(err)
		}
	}
	status, err := exec.Command("cat", "/proc/self/status").Output()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(status), "\nSigIgn:\t0000000000000000\n") {
		t.Errorf("the child ignores signals:\n%s", status)
	}
}
