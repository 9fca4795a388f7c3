package control

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/cgroups/group"
	"github.com/minirun/minirun/internal/container/record"
)

// freezeDeadline limits how long the processes of a container may take to stop, or to
// continue.
const freezeDeadline = 10 * time.Second

// errNotPaused has runc's wording.
var errNotPaused = errors.New("container not paused")

// Pause stops all processes of a container, including those it starts meanwhile.
func Pause(root, id string) error {
	h, err := record.Acquire(root, id, unix.LOCK_EX)
	if err != nil {
		return err
	}
	defer h.Lock.Release()
	status, err := h.Status()
	if err != nil {
		return err
	}
	switch status {
	case specs.StateRunning, specs.StateCreated:
	default:
		return record.ErrNotRunning
	}
	cgroup := group.Open(h.Cgroups)
	ctx, cancel := context.WithTimeout(context.Background(), freezeDeadline)
	defer cancel()
	err = cgroup.Freeze(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("pause: %w after %v, so the container continues; still running: %s", err, freezeDeadline,
			describeRunning(cgroup))
	}
	if err != nil {
		return fmt.Errorf("pause: %w", err)
	}
	return nil
}

// Resume lets the processes of a paused container continue.
func Resume(root, id string) error {
	h, err := record.Acquire(root, id, unix.LOCK_EX)
	if err != nil {
		return err
	}
	defer h.Lock.Release()
	status, err := h.Status()
	if err != nil {
		return err
	}
	if status == specs.StateStopped || !h.IsPaused() {
		return errNotPaused
	}
	ctx, cancel := context.WithTimeout(context.Background(), freezeDeadline)
	defer cancel()
	if err := group.Open(h.Cgroups).Thaw(ctx); err != nil {
		return fmt.Errorf("resume: %w%s", err, frozenAbove(h.Cgroups, err))
	}
	return nil
}

// describeRunning names the processes that have not stopped, and the kernel function in which
// they wait, for a message.
func describeRunning(cgroup *group.Group) string {
	pids, err := cgroup.TreeProcesses()
	if err != nil {
		return err.Error()
	}
	var names []string
	for _, pid := range pids {
		dir := "/proc/" + strconv.Itoa(pid)
		in, _ := os.ReadFile(dir + "/wchan") // it exited, or is not readable: then the message has less detail
		switch string(in) {
		case "__refrigerator", "do_freezer_trap", "get_signal": // where v1 and v2 keep a frozen process
			continue
		}
		name, err := os.ReadFile(dir + "/comm")
		if err != nil {
			continue
		}
		names = append(names, fmt.Sprintf("process %d (%s) in %s", pid, strings.TrimSpace(string(name)), in))
	}
	return strings.Join(names, ", ")
}

// frozenAbove explains why thawing has no effect: a cgroup above the container's is
// frozen, and has to be thawed there.
func frozenAbove(paths map[string]string, err error) string {
	if !errors.Is(err, context.DeadlineExceeded) {
		return ""
	}
	if dir := paths["freezer"]; dir != "" {
		if text, err := os.ReadFile(dir + "/freezer.parent_freezing"); err == nil &&
			strings.TrimSpace(string(text)) == "1" {
			return ": a cgroup above " + dir + " is frozen"
		}
	}
	return ": is a cgroup above the container's frozen?"
}
