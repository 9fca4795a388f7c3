package cgroups_test

import (
	"testing"
	"time"

	"github.com/minirun/minirun/internal/cgroups/resources"
	"github.com/minirun/minirun/internal/cgroups/stats"
)

// TestOOM: a process that exceeds the group's memory limit is killed, which is reported once.
// Removing the group reports nothing.
func TestOOM(t *testing.T) {
	h, g := newGroup(t)
	if !h.HasV1("memory") && !h.HasV2("memory") {
		t.Skip("no memory controller")
	}
	if err := resources.Apply(g, compile(t, h, `{"memory":{"limit":8388608,"swap":8388608}}`)); err != nil {
		t.Fatal(err)
	}
	w, err := stats.WatchOOM(g)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if oom, there, err := w.Read(); oom || !there || err != nil {
		t.Errorf("before: %v %v %v", oom, there, err)
	}
	eater := startInGroup(t, g, "tail", "/dev/zero")
	_ = eater.Wait()
	seen := false
	for end := time.Now().Add(3 * time.Second); !seen && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if seen, _, err = w.Read(); err != nil {
			t.Fatal(err)
		}
	}
	if !seen {
		t.Error("the group ran out of memory and nothing was told")
	}
	for oom := true; oom; { // each kill may be reported
		oom, _, _ = w.Read()
	}
	if err := g.Delete(5 * time.Second); err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond)
	if oom, there, err := w.Read(); oom || there || err != nil {
		t.Errorf("after the group was removed: %v %v %v", oom, there, err)
	}
}
