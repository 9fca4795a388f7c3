// Package crash shows that nothing is left of a container whatever happens to
// minirun while it works on it:
//
//	kill_test.go         SIGKILL at every system-call boundary of each verb
//	random_test.go       SIGKILL at any time
//	fault_test.go        system calls that fail
//	scale_test.go        many at once, many in turn, exec against delete
//	descriptors_test.go  what programs and hooks inherit
//	commands_test.go     random commands on three IDs
//	soak_test.go         mixed commands for an hour
//
// Afterwards `minirun delete --force ID` must end well within a second, and
// what there is on the machine must be what there was before: host_test.go.
//
// A normal run takes samples, spread evenly and the same each time, in less
// than a minute. MINIRUN_CRASH=full takes all: README.md.
package crash

import (
	"os"
	"testing"

	"github.com/minirun/minirun/tests/testbundle"
)

func TestMain(m *testing.M) {
	if soakTime != 0 {
		testbundle.MainWithImages(m) // it runs images
		return
	}
	testbundle.Main(m)
}

// full says that everything shall be tried.
var full = os.Getenv("MINIRUN_CRASH") == "full"

// amount is how many of something a run of this size takes.
func amount(normal, all int) int {
	if full {
		return all
	}
	return normal
}
