package testbundle_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/testbundle"
)

func TestMain(m *testing.M) { testbundle.Main(m) }

// The check on which every test relies must detect each kind of leak.
func TestWatchSeesLeaks(t *testing.T) {
	b := testbundle.New(t)
	testbundle.LeaksStay(t)
	before := b.Snapshot()
	see := func(kind string) {
		t.Helper()
		found := false
		leaks := b.LeaksSince(before)
		for _, l := range leaks {
			found = found || strings.HasPrefix(l, kind)
		}
		if !found || len(leaks) != 1 {
			t.Errorf("got the leaks %[2]v, want one %[1]s", kind, leaks)
		}
	}
	if err := unix.Mount("tmpfs", b.Host, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	see("mount")
	if err := unix.Unmount(b.Host, 0); err != nil {
		t.Fatal(err)
	}

	if dir := filepath.Join("/sys/fs/cgroup/pids", b.ID); os.Mkdir(dir, 0o755) == nil {
		see("cgroup")
		if err := os.Remove(dir); err != nil {
			t.Fatal(err)
		}
	} else {
		t.Log("no cgroup could be created, so its detection was not tested")
	}

	// A grandchild whose parent has exited.
	out, err := exec.Command("sh", "-c", "sleep 1000 >/dev/null 2>&1 & echo $!").Output()
	if err != nil {
		t.Fatal(err)
	}
	see("process " + strings.TrimSpace(string(out)))
	if err := exec.Command("kill", strings.TrimSpace(string(out))).Run(); err != nil {
		t.Fatal(err)
	}
	_, _ = unix.Wait4(-1, nil, 0, nil)

	if err := os.Mkdir(b.State(), 0o755); err != nil {
		t.Fatal(err)
	}
	see("state")
	if err := os.Remove(b.State()); err != nil {
		t.Fatal(err)
	}
}

// The mount namespace of the tests is shared, so a mount made by a process in a separate namespace
// appears here, unless that process prevents it: without this the check of mounts would be
// meaningless.
func TestWatchSeesPropagation(t *testing.T) {
	b := testbundle.New(t)
	testbundle.LeaksStay(t)
	before := b.Snapshot()
	leak := exec.Command("unshare", "-m", "--propagation", "unchanged", "mount", "-t", "tmpfs", "tmpfs", b.Host)
	if out, err := leak.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if leaks := b.LeaksSince(before); len(leaks) != 1 || !strings.Contains(leaks[0], b.Host) {
		t.Errorf("the check found %v", leaks)
	}
	if err := unix.Unmount(b.Host, 0); err != nil {
		t.Fatal(err)
	}
}

// TestParallelSeesLeaks: what parallel tests leave is found when the last one ends, and what belongs to
// one bundle is found at once.
func TestParallelSeesLeaks(t *testing.T) {
	if os.Getenv("MINIRUN_TEST_LEAK") == "" {
		testbundle.Need(t)
		for _, leak := range []string{"process", "state"} {
			cmd := exec.Command("/proc/self/exe", "-test.run", "^TestParallelSeesLeaks$")
			cmd.Env = append(os.Environ(), "MINIRUN_TEST_LEAK="+leak)
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), ": "+leak) || !strings.Contains(string(out), "left over") {
				t.Errorf("%s: %v: %s", leak, err, out)
			}
		}
		return
	}
	testbundle.LeaksStay(t)
	for _, name := range []string{"first", "second"} {
		t.Run(name, func(t *testing.T) {
			testbundle.Parallel(t)
			b := testbundle.New(t)
			if name == "second" {
				return
			}
			switch os.Getenv("MINIRUN_TEST_LEAK") {
			case "process":
				if err := exec.Command("sh", "-c", "sleep 30 >/dev/null 2>&1 &").Run(); err != nil {
					t.Fatal(err)
				}
			case "state":
				if err := os.Mkdir(b.State(), 0o755); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}
