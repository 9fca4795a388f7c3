// Package labs tests the labs with the real kernel: for each one `minirun lab test`, twice in a row.
package labs

import (
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minirun/minirun/tests/testbundle"
)

// The tests' mount namespace has its own /var/lib/minirun-labs: nothing of the user's labs is touched, and
// layers can be stacked on it also where /var/lib is an overlay.
func TestMain(m *testing.M) { testbundle.MainWithLabs(m, "/var/lib/minirun-labs") }

// atOnce is how many labs are tested at the same time: they mostly wait.
const atOnce = 6

// TestLabs: each lab's start state fails, the reference solution passes, wrong solutions and spoofs fail
// at the checks that they name, and everything can be done again after a reset.
func TestLabs(t *testing.T) {
	testbundle.Need(t)
	entries, err := os.ReadDir("../../labs")
	if err != nil {
		t.Fatal(err)
	}
	only, places := os.Getenv("LABS"), make(chan struct{}, atOnce)
	var group sync.WaitGroup
	for _, e := range entries {
		if !e.IsDir() || e.Name() == "template" || only != "" && !strings.Contains(e.Name(), only) {
			continue
		}
		group.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			testTwice(t, e.Name())
		})
	}
	group.Wait()
}

// testTwice tests a lab as root, and as root through sudo from a user's account.
func testTwice(t *testing.T, lab string) {
	for _, caller := range []string{"0", "1"} {
		begin := time.Now()
		cmd := exec.Command(testbundle.Binary, "lab", "test", lab)
		cmd.Env = append(cmd.Environ(), "SUDO_UID="+caller)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s, as user %s: %v\n%s", lab, caller, err, out)
			return
		}
		t.Logf("%s, as user %s: %d variants in %.1f s", lab, caller, strings.Count(string(out), "\n"), time.Since(begin).Seconds())
	}
}
