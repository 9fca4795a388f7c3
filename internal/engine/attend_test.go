package engine

import (
	"errors"
	"io/fs"
	"os"
	"testing"
	"time"

	"github.com/minirun/minirun/internal/engine/attendance"
	"github.com/minirun/minirun/internal/image"
)

// newContainer returns an engine with a container that has never run.
func newContainer(t *testing.T, id string) *Engine {
	t.Helper()
	dir := t.TempDir()
	e := &Engine{Store: &image.Store{Dir: dir}, Root: t.TempDir(), Warn: func(any) {}}
	if err := os.MkdirAll(e.Store.Container(id), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := e.record(&Record{Container: id}); err != nil {
		t.Fatal(err)
	}
	return e
}

// TestOneAttendant: a container has at most one attendant, and asking for one does not take the claim.
func TestOneAttendant(t *testing.T) {
	e := newContainer(t, "web")
	if _, attended := e.attendance("web"); attended {
		t.Error("it is attended")
	}
	a, err := e.attend("web")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.attend("web"); !errors.Is(err, attendance.ErrClaimed) {
		t.Errorf("a second attendant: %v", err)
	}
	started := time.Now().UTC().Round(0)
	a.Report(func(now *attendance.Report) { now.Running, now.Started = true, started })
	for range 100 {
		now, attended := e.attendance("web")
		if !attended || !now.Running || !now.Started.Equal(started) || now.Pid != os.Getpid() {
			t.Fatalf("%+v, %v", now, attended)
		}
	}
	a.leave()
	if now, attended := e.attendance("web"); attended || !now.Running {
		t.Errorf("after a kill: %+v, %v", now, attended)
	}
	if a, err = e.attend("web"); err != nil || !a.Now.Running {
		t.Fatalf("the next attendant: %+v, %v", a, err)
	}
	if err := e.removeFiles("web"); err != nil {
		t.Fatal(err)
	}
	if _, err := e.attend("web"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a removed container: %v", err)
	}
	a.leave()
}

// TestDamagedReport: a report that cannot be parsed, after a power failure, does not stop anything.
func TestDamagedReport(t *testing.T) {
	e := newContainer(t, "web")
	if err := os.WriteFile(e.file("web", attendedFile), []byte("\x00\x00{"), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := e.attend("web")
	if err != nil || a.Now.Running {
		t.Fatalf("%+v, %v", a, err)
	}
	a.leave()
	l, err := e.Status("web")
	if err != nil || l.State != Created {
		t.Errorf("%+v, %v", l, err)
	}
}

// TestCleanUpAfterPowerFailure: a container that was running gets an end with an unknown status, and
// overlay's work directory is removed.
func TestCleanUpAfterPowerFailure(t *testing.T) {
	e := newContainer(t, "web")
	a, err := e.attend("web")
	if err != nil {
		t.Fatal(err)
	}
	a.Report(func(now *attendance.Report) { now.Running, now.Started = true, time.Now() })
	a.leave()
	work := e.file("web", ".upper.work")
	if err := os.MkdirAll(work+"/work/incompat/volatile", 0o700); err != nil {
		t.Fatal(err)
	}
	if l, err := e.Status("web"); err != nil || l.Status() != "Exited, status unknown" {
		t.Errorf("%+v, %v", l, err)
	}
	if err := e.Stop("web", StopWay{}); err != nil {
		t.Fatal(err)
	}
	if l, err := e.Status("web"); err != nil || l.End == nil || !l.End.Lost {
		t.Errorf("%+v, %v", l, err)
	}
	if _, err := os.Stat(work); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the work directory: %v", err)
	}
}
