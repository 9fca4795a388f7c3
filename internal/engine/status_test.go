package engine

import (
	"errors"
	"fmt"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/container/diagnose"
)

// TestExitStatuses: a container that does not start has the exit status that Docker gives it.
func TestExitStatuses(t *testing.T) {
	program := func(errno unix.Errno) error { return fmt.Errorf("start: %w", &diagnose.ProgramError{Errno: errno}) }
	for want, errs := range map[int][]error{
		0:   {nil},
		125: {errors.New("no space left"), program(unix.EIO), unix.ENOENT},
		126: {program(unix.EACCES), program(unix.ENOEXEC), program(unix.EISDIR)},
		127: {program(unix.ENOENT), program(unix.ENOTDIR), fmt.Errorf("x: %w", exec.ErrNotFound)},
	} {
		for _, err := range errs {
			if got := StatusOf(err); got != want {
				t.Errorf("%v: %d, want %d", err, got, want)
			}
		}
	}
	for text, want := range map[string]int{"127": 127, "0": 0, "": CannotRun, "x": CannotRun} {
		if got := (&NotStarted{errors.New("x"), text}).Status(); got != want {
			t.Errorf("the monitor reports %q: %d, want %d", text, got, want)
		}
	}
}

func TestStatusText(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		listed Listed
		want   string
	}{
		{Listed{State: Exited, End: &End{Status: 3, Finished: now.Add(-2 * time.Hour)}}, "Exited (3) 2 hours ago"},
		{Listed{State: Exited}, "Exited, status unknown"},
		{Listed{State: "running", Started: now.Add(-3 * time.Minute)}, "Up 3 minutes"},
		{Listed{State: "running", Started: now.Add(-3 * time.Minute),
			Health: &Health{Status: Healthy}}, "Up 3 minutes (healthy)"},
		{Listed{State: "paused", Started: now.Add(-3 * time.Minute)}, "Up 3 minutes (Paused)"},
		{Listed{State: Created}, "Created"},
	} {
		if got := c.listed.Status(); got != c.want {
			t.Errorf("%+v: %q, want %q", c.listed, got, c.want)
		}
	}
}
