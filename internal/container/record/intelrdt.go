package record

import (
	"errors"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/resctrl"
)

// RemoveRdt removes what was created only for the container.
func (r *Record) RemoveRdt() error {
	if r.IntelRdt == nil {
		return nil
	}
	return r.IntelRdt.Remove()
}

// JoinAll moves all processes of the container, with all their threads, into a group.
// New ones are created in their parent's, so the last round finds none.
func (r *Record) JoinAll(g *resctrl.Group) error {
	joined := map[int]bool{}
	for range 100 {
		pids, err := r.Processes()
		if err != nil {
			return err
		}
		found := false
		for _, tid := range listThreads(append(pids, r.Pid)) {
			if joined[tid] {
				continue
			}
			joined[tid], found = true, true
			if err := g.Join(tid); err != nil && !errors.Is(err, unix.ESRCH) {
				return err
			}
		}
		if !found {
			return nil
		}
	}
	return errors.New("the container creates processes faster than they can be moved into its resctrl group")
}

// listThreads lists the threads of processes. A process that exited has none.
func listThreads(pids []int) (tids []int) {
	for _, pid := range pids {
		entries, _ := os.ReadDir("/proc/" + strconv.Itoa(pid) + "/task")
		for _, e := range entries {
			if tid, err := strconv.Atoi(e.Name()); err == nil {
				tids = append(tids, tid)
			}
		}
	}
	return tids
}
