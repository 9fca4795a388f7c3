package group

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/cgroups/cgroupfs"
)

// Processes lists the processes in the group itself, without child cgroups, sorted.
func (g *Group) Processes() ([]int, error) { return g.listProcesses(processes) }

// TreeProcesses lists the processes in the group and in cgroups below it, sorted, in any
// hierarchy: one that left its cgroup in one hierarchy is still in the others.
func (g *Group) TreeProcesses() ([]int, error) { return g.listProcesses(treeProcesses) }

func (g *Group) listProcesses(list func(dir string) ([]int, error)) ([]int, error) {
	var all []int
	for i := range g.directories {
		pids, err := list(g.directories[i].path)
		if err != nil && !cgroupfs.IsGone(err) {
			return nil, fmt.Errorf("list the cgroup's processes: %w", err)
		}
		all = append(all, pids...)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// processes lists the processes of one cgroup, as PIDs of this PID namespace.
func processes(dir string) ([]int, error) {
	s, err := cgroupfs.ReadText(dir + "/cgroup.procs")
	if err != nil {
		return nil, err
	}
	return parseProcesses(s, dir)
}

// treeProcesses lists the processes of a cgroup and of those below it.
func treeProcesses(dir string) (pids []int, err error) {
	err = walk(dir, func(fd int, path string) error {
		procs, err := unix.Openat(fd, "cgroup.procs", unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			return &os.PathError{Op: "open", Path: path + "/cgroup.procs", Err: err}
		}
		defer func() { _ = unix.Close(procs) }()
		text, err := cgroupfs.ReadOpen(procs)
		if errors.Is(err, unix.EOPNOTSUPP) {
			return nil // a threaded cgroup's processes are listed above it
		}
		if err != nil {
			return &os.PathError{Op: "read", Path: path + "/cgroup.procs", Err: err}
		}
		more, err := parseProcesses(text, path)
		pids = append(pids, more...)
		return err
	})
	return pids, err
}

func parseProcesses(text, dir string) (pids []int, err error) {
	for line := range strings.Lines(text) {
		pid, err := strconv.Atoi(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return nil, fmt.Errorf("read %s/cgroup.procs: %w", dir, err)
		}
		if pid > 0 { // 0 is a process of a PID namespace that is not visible here
			pids = append(pids, pid)
		}
	}
	return pids, nil
}
