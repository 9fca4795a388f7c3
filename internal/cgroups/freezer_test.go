package cgroups_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/minirun/minirun/internal/cgroups/group"
	"github.com/minirun/minirun/internal/cgroups/host"
)

func TestFreeze(t *testing.T) {
	h, g := newGroup(t)
	groups := map[string]*group.Group{"all": g}
	if h.Mode == host.Hybrid {
		groups["v2 tree"] = group.Open(map[string]string{"": g.Paths()[""]})
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
		if s, err := g.State(); s != group.Frozen || err != nil {
			t.Errorf("%s: state %v, %v", name, s, err)
		}
		before := ticks()
		time.Sleep(50 * time.Millisecond)
		if ticks() != before {
			t.Errorf("%s: the process runs while frozen", name)
		}
		if err := g.Thaw(ctx); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if s, err := g.State(); s != group.Thawed || err != nil {
			t.Errorf("%s: state %v, %v", name, s, err)
		}
		cancel()
		end := time.Now().Add(10 * time.Second)
		for ticks() == before && time.Now().Before(end) {
			time.Sleep(10 * time.Millisecond)
		}
		if ticks() == before {
			t.Errorf("%s: the process does not run after thawing", name)
		}
	}
	if err := g.Freeze(t.Context()); err != nil { // Delete has to handle a frozen group
		t.Fatal(err)
	}
	if err := g.Delete(5 * time.Second); err != nil {
		t.Error(err)
	}
	if s, _ := g.State(); s != group.Deleted {
		t.Errorf("state %v after Delete", s)
	}
}

func TestPaused(t *testing.T) {
	_, g := newGroup(t)
	startInGroup(t, g, "sleep", "100")
	check := func(want bool) {
		t.Helper()
		if got, err := g.IsPaused(); got != want || err != nil {
			t.Errorf("paused %v, %v; want %v", got, err, want)
		}
	}
	check(false)
	if err := g.Freeze(t.Context()); err != nil {
		t.Fatal(err)
	}
	check(true)
	if err := g.Thaw(t.Context()); err != nil {
		t.Fatal(err)
	}
	check(false)
	if err := g.Delete(5 * time.Second); err != nil {
		t.Fatal(err)
	}
	check(false)
}
