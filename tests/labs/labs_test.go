// Package labs tests the labs with the real kernel: for each one `minirun lab test`, twice in a row.
package labs

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/minirun/minirun/tests/testbundle"
)

func TestMain(m *testing.M) { testbundle.MainWithLabs(m) }

// TestLabs: each lab's start state fails, the reference solution passes, wrong solutions and spoofs fail
// at the checks that they name, and everything can be done again after a reset.
func TestLabs(t *testing.T) {
	testbundle.Need(t)
	entries, err := os.ReadDir("../../labs")
	if err != nil {
		t.Fatal(err)
	}
	only := os.Getenv("LABS")
	for _, e := range entries {
		if !e.IsDir() || only != "" && !strings.Contains(e.Name(), only) {
			continue
		}
		t.Run(e.Name(), func(t *testing.T) {
			// As root, and as root through sudo from a user's account.
			for _, caller := range []string{"0", "1"} {
				cmd := exec.Command(testbundle.Binary, "lab", "test", e.Name())
				cmd.Env = append(cmd.Environ(), "SUDO_UID="+caller)
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
			}
		})
	}
}
