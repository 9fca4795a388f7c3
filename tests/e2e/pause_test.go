package e2e

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/container/record"
	"github.com/minirun/minirun/tests/testbundle"
)

func TestPauseAndResume(t *testing.T) {
	// It records that it is running in a file that the test can see.
	b := testbundle.New(t, testbundle.Sh("while :; do echo x >> /tmp/ticks; sleep 0.01; done"), testbundle.Writable)
	detached(t, b)
	ticks := func() int64 {
		st, err := os.Stat(filepath.Join(b.Path("tmp"), "ticks"))
		if err != nil {
			return 0
		}
		return st.Size()
	}
	grows := func() bool {
		before := ticks()
		for end := time.Now().Add(2 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			if ticks() > before {
				return true
			}
		}
		return false
	}
	b.Minirun("resume", b.ID).Fails(t, "container not paused")
	for range 5 {
		if !grows() {
			t.Fatal("the container does not run")
		}
		b.Minirun("pause", b.ID).Exit(t, 0)
		before := ticks()
		time.Sleep(60 * time.Millisecond)
		if after := ticks(); after != before {
			t.Errorf("it goes on while paused: %d, %d", before, after)
		}
		if s := stateOf(t, b); s != record.StatePaused {
			t.Errorf("status %s", s)
		}
		b.Minirun("pause", b.ID).Fails(t, "container not running")
		b.Minirun("resume", b.ID).Exit(t, 0)
		if s := stateOf(t, b); s != specs.StateRunning {
			t.Errorf("status %s", s)
		}
	}
	for _, verb := range []string{"pause", "resume"} {
		b.Minirun(verb, "nosuch").Fails(t, "container does not exist")
		b.Minirun(verb).Fails(t, "missing argument: ID")
		b.Minirun(verb, b.ID, "more").Fails(t, `container does not exist: "more"`) // after the first one
	}
}

// A paused container can be killed and deleted.
func TestKillPaused(t *testing.T) {
	b := testbundle.New(t, testbundle.Args("sleep", "1000"))
	pid := detached(t, b)
	b.Minirun("pause", b.ID).Exit(t, 0)
	b.Minirun("delete", b.ID).Fails(t, "paused")
	b.Minirun("kill", b.ID, "KILL").Exit(t, 0)
	reap(pid)
	awaitStatus(t, b, specs.StateStopped)
	b.Minirun("pause", b.ID).Fails(t, "container not running")
	b.Minirun("resume", b.ID).Fails(t, "container not paused")
}

func TestForceDeletePaused(t *testing.T) {
	b := testbundle.New(t, testbundle.Args("sleep", "1000"))
	detached(t, b)
	b.Minirun("pause", b.ID).Exit(t, 0)
	b.Minirun("delete", "--force", b.ID).Exit(t, 0)
}

// A created container waits in minirun's own plan, where it can be paused.
func TestPauseCreated(t *testing.T) {
	b := testbundle.New(t, testbundle.Args("sleep", "1000"))
	createBundle(t, b)
	b.Minirun("pause", b.ID).Exit(t, 0)
	b.Minirun("resume", b.ID).Exit(t, 0)
	b.Minirun("start", b.ID).Exit(t, 0)
	awaitStatus(t, b, specs.StateRunning)
}

// TestPauseBeforeStart: a created container that is paused has the status paused and cannot be
// started, because start would wait for a frozen process; after resume it can be started.
func TestPauseBeforeStart(t *testing.T) {
	b := testbundle.New(t, testbundle.Args("sleep", "1000"))
	createBundle(t, b)
	b.Minirun("pause", b.ID).Exit(t, 0)
	if s := stateOf(t, b); s != record.StatePaused {
		t.Errorf("status %s", s)
	}
	b.Minirun("start", b.ID).Fails(t, "paused")
	b.Minirun("pause", b.ID).Fails(t, "container not running")
	b.Minirun("resume", b.ID).Exit(t, 0)
	if s := stateOf(t, b); s != specs.StateCreated {
		t.Errorf("status %s", s)
	}
	b.Minirun("start", b.ID).Exit(t, 0)
	if s := stateOf(t, b); s != specs.StateRunning {
		t.Errorf("status %s", s)
	}
}
