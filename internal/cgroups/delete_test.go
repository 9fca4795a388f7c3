package cgroups_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/cgroups/group"
)

// TestDeleteKills: cgroups created inside contain processes that keep forking.
func TestDeleteKills(t *testing.T) {
	_, g := newGroup(t)
	var inner []string
	for _, path := range g.Paths() {
		sub := path + "/a/b"
		if strings.Contains(path, "/cpuset/") {
			continue // processes cannot be added to an empty cpuset
		}
		if err := os.MkdirAll(sub, 0o755); err != nil {
			t.Fatal(err)
		}
		inner = append(inner, sub+"/cgroup.procs")
	}
	script := "for f in " + strings.Join(inner, " ") + "; do echo 0 > $f || exit 9; done; while :; do sleep 0.01 & done"
	cmd := startInGroup(t, g, "sh", "-c", script)
	go cmd.Wait()
	for range 100 {
		if pids, _ := g.TreeProcesses(); len(pids) > 3 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	again := group.Open(g.Paths()) // as a later `minirun delete` does
	if err := again.Delete(5 * time.Second); err != nil {
		t.Fatal(err)
	}
	if err := again.Delete(0); err != nil {
		t.Errorf("a second time: %v", err)
	}
}

// TestNestedDeeperThanDescriptors: a container may nest cgroups deeper than this process's limit on
// open files, and freeze the deepest one.
func TestNestedDeeperThanDescriptors(t *testing.T) {
	_, g := newGroup(t)
	freezer := g.V1Directory("freezer")
	if freezer == "" {
		t.Skip("needs the freezer of cgroup v1")
	}
	cmd := exec.Command("sh", "-ec", "for i in $(seq 200); do mkdir c; cd -P c; done; sleep 1000 & echo $! > cgroup.procs; echo FROZEN > freezer.state; echo; wait")
	cmd.Dir = freezer
	made, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_, _ = made.Read(make([]byte, 1))
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 64, Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	pids, err := g.TreeProcesses()
	if len(pids) != 1 || err != nil {
		t.Errorf("processes %v, %v", pids, err)
	}
	deleted := g.Delete(5 * time.Second)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	if deleted != nil {
		t.Error(deleted)
		_ = g.Delete(5 * time.Second)
	}
	_ = cmd.Wait()
}
