package cgroups

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestFreeze(t *testing.T) {
	h, g := realGroup(t)
	groups := map[string]*Group{"all": g}
	if h.Mode == Hybrid {
		groups["v2 tree"] = Open(map[string]string{"": g.Paths()[""]})
	}
	cmd := startInGroup(t, g, "sh", "-c", "while :; do :; done")
	ticks := func() string {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", cmd.Process.Pid))
		f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
		return f[11] + f[12]
	}
	for name, g := range groups {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		if err := g.Freeze(ctx); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if s, err := g.State(); s != Frozen || err != nil {
			t.Errorf("%s: state %v, %v", name, s, err)
		}
		before := ticks()
		time.Sleep(50 * time.Millisecond)
		if ticks() != before {
			t.Errorf("%s: it runs while frozen", name)
		}
		if err := g.Thaw(ctx); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if s, err := g.State(); s != Thawed || err != nil {
			t.Errorf("%s: state %v, %v", name, s, err)
		}
		cancel()
		time.Sleep(100 * time.Millisecond)
		if ticks() == before {
			t.Errorf("%s: it does not run after thawing", name)
		}
	}
	if err := g.Freeze(t.Context()); err != nil { // Delete has to handle a frozen group
		t.Fatal(err)
	}
	if err := g.Delete(5 * time.Second); err != nil {
		t.Error(err)
	}
	if s, _ := g.State(); s != Deleted {
		t.Errorf("state %v after Delete", s)
	}
}

// TestDeleteKills: cgroups created inside contain processes that keep forking.
func TestDeleteKills(t *testing.T) {
	_, g := realGroup(t)
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
		if pids, _ := g.AllProcs(); len(pids) > 3 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	again := Open(g.Paths()) // as a later `minirun delete` does
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
	_, g := realGroup(t)
	freezer := g.dir("freezer", false)
	if freezer == nil {
		t.Skip("needs the freezer of cgroup v1")
	}
	cmd := exec.Command("sh", "-ec", "for i in $(seq 200); do mkdir c; cd -P c; done; sleep 1000 & echo $! > cgroup.procs; echo FROZEN > freezer.state; echo; wait")
	cmd.Dir = freezer.path
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
	pids, err := g.AllProcs()
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
