package testbundle

import (
	"fmt"
	"os/exec"
	"testing"
)

// A NetworkNamespace is a network namespace that exists until the end of a test.
type NetworkNamespace struct {
	t   testing.TB
	pid string // of the process that holds it
}

// NewNetworkNamespace creates one.
func NewNetworkNamespace(t testing.TB) *NetworkNamespace {
	t.Helper()
	holder := exec.Command("unshare", "-n", "sh", "-c", "echo ready; exec sleep 1000")
	out, err := holder.StdoutPipe()
	if err == nil {
		err = holder.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = holder.Process.Kill()
		_ = holder.Wait()
	})
	if _, err := out.Read(make([]byte, 16)); err != nil {
		t.Fatal(err)
	}
	return &NetworkNamespace{t, fmt.Sprint(holder.Process.Pid)}
}

// Path returns the path of the namespace's file, for linux.namespaces.
func (n *NetworkNamespace) Path() string { return "/proc/" + n.pid + "/ns/net" }

// IP runs ip(8) in the namespace and returns what it prints.
func (n *NetworkNamespace) IP(args ...string) string {
	n.t.Helper()
	out, err := exec.Command("nsenter", append([]string{"-t", n.pid, "-n", "ip"}, args...)...).CombinedOutput()
	if err != nil {
		n.t.Fatalf("ip %q: %v: %s", args, err, out)
	}
	return string(out)
}
