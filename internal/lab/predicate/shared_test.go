package predicate

import (
	"os"
	"testing"

	"github.com/minirun/minirun/internal/lab/scene"
)

// TestHostProcessSharesAll: a process of the host shares each kind, and a process that does not exist is
// an error and not a container that shares nothing.
func TestHostProcessSharesAll(t *testing.T) {
	kinds, err := sharedWithHost(scene.Process{PID: os.Getpid()})
	if err != nil {
		t.Fatal(err)
	}
	if !isOnly(kinds, []string{"net", "ipc", "uts", "mnt", "pid"}) {
		t.Errorf("this process shares %v with itself", kinds)
	}
	if _, err := sharedWithHost(scene.Process{PID: 1 << 30}); err == nil {
		t.Error("a process that does not exist shares nothing")
	}
}

func TestIsOnly(t *testing.T) {
	for _, c := range []struct {
		found, wanted []string
		want          bool
	}{
		{nil, nil, true},
		{[]string{"pid"}, []string{"pid"}, true},
		{[]string{"pid"}, nil, false},
		{nil, []string{"pid"}, false},
		{[]string{"pid", "net"}, []string{"net"}, false},
		{[]string{"pid", "net"}, []string{"net", "pid"}, true},
	} {
		if got := isOnly(c.found, c.wanted); got != c.want {
			t.Errorf("isOnly(%v, %v) = %v", c.found, c.wanted, got)
		}
	}
}
