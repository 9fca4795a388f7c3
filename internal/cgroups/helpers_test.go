package cgroups_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/cgroups/group"
	"github.com/minirun/minirun/internal/cgroups/host"
	"github.com/minirun/minirun/internal/cgroups/resources"
)

var testCount atomic.Int32

// newGroup creates a cgroup minirun-test-* on this machine, and deletes it at the end.
func newGroup(t testing.TB) (*host.Host, *group.Group) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("creating cgroups needs root")
	}
	h, err := host.Detect()
	if err != nil {
		t.Skip(err)
	}
	g := group.New(h, fmt.Sprintf("/minirun-test-%d-%d", os.Getpid(), testCount.Add(1)))
	if err := g.Create(); err != nil {
		t.Skipf("cgroups cannot be created here: %v", err)
	}
	t.Cleanup(func() {
		if err := g.Delete(5 * time.Second); err != nil {
			t.Error(err)
		}
		for key, path := range g.Paths() {
			if _, err := os.Stat(path); err == nil {
				t.Errorf("%q still exists: %s", key, path)
			}
		}
	})
	return h, g
}

func compile(t testing.TB, h *host.Host, s string) []resources.Value {
	t.Helper()
	var r specs.LinuxResources
	if err := json.Unmarshal([]byte(s), &r); err != nil {
		t.Fatal(err)
	}
	values, err := resources.Compile(h, &r)
	if err != nil {
		t.Fatal(err)
	}
	return values
}

// joinScript moves the shell into the cgroups whose tasks files are its first $1 arguments, as the
// steps of a plan do, says so on descriptor 3, and executes the rest.
const joinScript = `n=$1; shift
while [ $n -gt 0 ]; do echo 0 >"$1" || exit 99; shift; n=$((n-1)); done
echo >&3; exec 3>&-; exec "$@"`

// startInGroup starts a command in the group: created in its v2 cgroup, and moved into the v1 ones
// before it runs.
func startInGroup(t testing.TB, g *group.Group, args ...string) *exec.Cmd {
	t.Helper()
	tasks := g.Tasks()
	cmd := exec.Command("sh", slices.Concat([]string{"-c", joinScript, "sh", strconv.Itoa(len(tasks))}, tasks, args)...)
	dir, err := g.OpenV2()
	if err != nil {
		t.Fatal(err)
	}
	if dir != nil {
		defer dir.Close()
		cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(dir.Fd())}
	}
	joined, told, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer joined.Close()
	cmd.ExtraFiles = []*os.File{told}
	err = cmd.Start()
	told.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	if n, err := joined.Read(make([]byte, 1)); n != 1 {
		t.Fatalf("the process did not join the group: %v, %v", err, cmd.Wait())
	}
	return cmd
}

// mounted reports whether a line of /proc/PID/cgroup refers to a mounted hierarchy of the host. A
// hierarchy that was unmounted while it had groups continues to exist, but is not used.
func mounted(h *host.Host, line string) bool {
	fields := strings.SplitN(line, ":", 3)
	return fields[1] == "" || slices.ContainsFunc(h.V1, func(v host.Hierarchy) bool { return strings.Join(v.Controllers, ",") == fields[1] })
}

func parseResources(t *testing.T, text string) *specs.LinuxResources {
	t.Helper()
	r := &specs.LinuxResources{}
	if err := json.Unmarshal([]byte(text), r); err != nil {
		t.Fatal(err)
	}
	return r
}

// newV2Group skips the test unless the host only has cgroup v2 (here, a virtual machine).
func newV2Group(t *testing.T) (*host.Host, *group.Group) {
	t.Helper()
	h, g := newGroup(t)
	if !h.IsV2Only() {
		t.Skipf("this host is %v; the test needs cgroup v2 alone", h.Mode)
	}
	return h, g
}
