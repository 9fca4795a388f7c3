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
}

func TestStatusText(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		listed Listed
		want   string
	}{
		{Listed{State: Exited, End: &End{Status: 3, Finished: now.Add(-2 * time.Hour)}}, "Exited (3) 2 hours ago"},
		{Listed{State: Exited, End: &End{Status: 137, OutOfMemory: true, Finished: now.Add(-2 * time.Hour)}},
			"Exited (137), out of memory, 2 hours ago"},
		{Listed{State: Exited, End: &End{Lost: true, Finished: now.Add(-2 * time.Hour)}},
			"Exited, status unknown, 2 hours ago"},
		{Listed{State: Restarting, End: &End{Status: 1, Finished: now.Add(-2 * time.Second)}},
			"Restarting (1) 2 seconds ago"},
		{Listed{State: Created}, "Created"},
		{Listed{State: Exited, Attended: true, Started: now}, "Exiting"},
		{Listed{State: Exited, Started: now}, "Exited, status unknown"},
		{Listed{State: "running", Attended: true, Started: now.Add(-3 * time.Minute)}, "Up 3 minutes"},
		{Listed{State: "running", Attended: true, Started: now.Add(-3 * time.Minute),
			Health: &Health{Status: Healthy}}, "Up 3 minutes (healthy)"},
		{Listed{State: "running", Started: now.Add(-time.Minute), Health: &Health{Status: Unknown}},
			"Up About a minute (no monitor)"},
		{Listed{State: "paused", Attended: true, Started: now.Add(-time.Hour)}, "Up About an hour (Paused)"},
	} {
		if got := c.listed.Status(); got != c.want {
			t.Errorf("%+v: %q, want %q", c.listed, got, c.want)
		}
	}
}
