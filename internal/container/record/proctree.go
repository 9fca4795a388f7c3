package record

import (
	"fmt"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// AddDescendants adds the descendants of processes to a set (pure).
func AddDescendants(set map[int]bool, parents map[int]int) []int {
	for grown := true; grown; {
		grown = false
		for pid, parent := range parents {
			if set[parent] && !set[pid] {
				set[pid], grown = true, true
			}
		}
	}
	var pids []int
	for pid := range set {
		pids = append(pids, pid)
	}
	slices.Sort(pids)
	return pids
}

// readParent returns the PID of a process's parent.
func readParent(pid int) (int, error) {
	fields, err := statFields(pid)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(fields[1])
}

// sharesNamespace reports whether two processes are in the same namespace. Processes
// of another user that this one may not inspect do not belong to the container.
func sharesNamespace(a, b int, kind string) bool {
	var one, other unix.Stat_t
	return unix.Stat(fmt.Sprintf("/proc/%d/ns/%s", a, kind), &one) == nil &&
		unix.Stat(fmt.Sprintf("/proc/%d/ns/%s", b, kind), &other) == nil &&
		one.Dev == other.Dev && one.Ino == other.Ino
}

// ProcessParents returns the parents of all processes.
func ProcessParents() (map[int]int, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	parents := map[int]int{}
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if parent, err := readParent(pid); err == nil { // otherwise it exited meanwhile
			parents[pid] = parent
		}
	}
	return parents, nil
}
