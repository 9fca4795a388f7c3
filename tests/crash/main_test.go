// Package crash tests that nothing is left of a container whatever happens to minirun while it works
// on it:
//
//	kill_test.go         SIGKILL at every system-call boundary of each verb
//	random_test.go       SIGKILL at random times
//	fault_test.go        system calls that fail
//	scale_test.go        many containers at once, many in sequence, exec concurrent with delete
//	descriptors_test.go  descriptors inherited by programs and hooks
//	commands_test.go     random commands on three IDs
//	soak_test.go         mixed commands for an hour
//
// Afterwards `minirun delete --force ID` must succeed within a second, and the machine must be in the
// same state as before: host_test.go.
//
// A normal run tests evenly distributed samples, the same each time, in less than a minute.
// MINIRUN_CRASH=full tests everything: README.md.
package crash

import (
	"os"
	"testing"

	"github.com/minirun/minirun/tests/testbundle"
)

func TestMain(m *testing.M) {
	if soakTime != 0 {
		testbundle.MainWithImages(m) // this test runs images
		return
	}
	testbundle.Main(m)
}

// full is set if everything must be tested.
var full = os.Getenv("MINIRUN_CRASH") == "full"

// amount returns the number of cases for this kind of run.
func amount(normal, all int) int {
	if full {
		return all
	}
	return normal
}
