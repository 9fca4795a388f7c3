package container

import (
	"fmt"
	"math"

	"github.com/docker/go-units"

	"github.com/minirun/minirun/internal/cgroups/group"
	"github.com/minirun/minirun/internal/cgroups/stats"
	"github.com/minirun/minirun/internal/container/record"
)

// An Exit is how a container ended.
type Exit struct {
	Status int        // the program's own, or 128 plus the number of the signal that ended it
	Asked  bool       // minirun received a signal that asks to exit, and passed it on
	Memory *MemoryEnd // nil if it did not run out of memory
}

// A MemoryEnd describes a container that failed after the kernel killed one of its processes
// for lack of memory.
type MemoryEnd struct{ Limit uint64 } // in bytes; 0: it has none

func (m *MemoryEnd) String() string {
	if m.Limit == 0 {
		return "out of memory: the kernel killed a process, because the host or a cgroup above the container's " +
			"has no memory left"
	}
	return fmt.Sprintf("out of memory: the kernel killed a process at the limit of %s",
		units.BytesSize(float64(m.Limit)))
}

// MemoryEndOf returns the MemoryEnd of a container that has stopped, and not been deleted.
func MemoryEndOf(root, id string) *MemoryEnd {
	r, err := record.Read(root, id)
	if err != nil || len(r.Cgroups) == 0 {
		return nil
	}
	return readMemoryEnd(group.Open(r.Cgroups))
}

// readMemoryEnd reads the counters of a cgroup. An error is not reported: it must not hide the exit
// status of the container.
func readMemoryEnd(g *group.Group) *MemoryEnd {
	kills, limit, err := stats.ReadOOM(g)
	if err != nil || kills == 0 {
		return nil
	}
	if limit > math.MaxInt64-(1<<20) { // "max", or v1's largest number of pages
		limit = 0
	}
	return &MemoryEnd{limit}
}
