// This file defines the format of a container's resource usage: that of the events of
// `runc events`, which containerd's shim and Docker's daemon decode. The order and
// names of the fields and which of them are omitted when 0 are part of the format.
// stats_v1.go and stats_v2.go fill it in.
//
// A test compares the numbers with those of the managers of containerd/cgroups, which
// are too heavy to link into the runtime.

package cgroups

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Stats is one sample. Times are in nanoseconds, sizes in bytes. A number whose file
// this kernel lacks is 0.
type Stats struct {
	CPU     CPUStats                `json:"cpu"`
	CPUSet  CPUSetStats             `json:"cpuset"`
	Memory  MemoryStats             `json:"memory"`
	Pids    PidsStats               `json:"pids"`
	Blkio   BlkioStats              `json:"blkio"`
	Hugetlb map[string]HugetlbStats `json:"hugetlb"` // by page size, "2MB"
}

// CPUStats are the counters of cpu and cpuacct.
type CPUStats struct {
	Usage      CPUUsage   `json:"usage"`
	Throttling Throttling `json:"throttling"`
	PSI        *PSI       `json:"psi,omitempty"`
}

// CPUUsage is time on a CPU. The lists are by CPU and only for v1.
type CPUUsage struct {
	Total        uint64   `json:"total,omitempty"`
	Percpu       []uint64 `json:"percpu,omitempty"`
	PercpuKernel []uint64 `json:"percpu_kernel,omitempty"`
	PercpuUser   []uint64 `json:"percpu_user,omitempty"`
	Kernel       uint64   `json:"kernel"`
	User         uint64   `json:"user"`
}

// Throttling is the effect of a CPU quota.
type Throttling struct {
	Periods          uint64 `json:"periods,omitempty"`
	ThrottledPeriods uint64 `json:"throttledPeriods,omitempty"`
	ThrottledTime    uint64 `json:"throttledTime,omitempty"`
}

// CPUSetStats are the settings of cpuset.
type CPUSetStats struct {
	CPUs                  []uint16 `json:"cpus,omitempty"`
	CPUExclusive          uint64   `json:"cpu_exclusive"`
	Mems                  []uint16 `json:"mems,omitempty"`
	MemHardwall           uint64   `json:"mem_hardwall"`
	MemExclusive          uint64   `json:"mem_exclusive"`
	MemoryMigrate         uint64   `json:"memory_migrate"`
	MemorySpreadPage      uint64   `json:"memory_spread_page"`
	MemorySpreadSlab      uint64   `json:"memory_spread_slab"`
	MemoryPressure        uint64   `json:"memory_pressure"`
	SchedLoadBalance      uint64   `json:"sched_load_balance"`
	SchedRelaxDomainLevel int64    `json:"sched_relax_domain_level"`
}

// MemoryStats are the counters of memory. Swap counts memory and swap together.
type MemoryStats struct {
	Cache     uint64            `json:"cache,omitempty"`
	Usage     MemoryEntry       `json:"usage"`
	Swap      MemoryEntry       `json:"swap"`
	Kernel    MemoryEntry       `json:"kernel"`
	KernelTCP MemoryEntry       `json:"kernelTCP"`
	Raw       map[string]uint64 `json:"raw,omitempty"`    // memory.stat
	Events    map[string]uint64 `json:"events,omitempty"` // memory.events, of v2
	PSI       *PSI              `json:"psi,omitempty"`
}

// MemoryEntry is one counter with its limit; no limit is the largest number.
type MemoryEntry struct {
	Limit   uint64 `json:"limit"`
	Usage   uint64 `json:"usage,omitempty"`
	Max     uint64 `json:"max,omitempty"`
	Failcnt uint64 `json:"failcnt"`
}

// PidsStats is the number of tasks; a Limit of 0 means none.
type PidsStats struct {
	Current uint64 `json:"current,omitempty"`
	Limit   uint64 `json:"limit,omitempty"`
}

// BlkioStats is input and output by device. Counters of only the CFQ and BFQ
// schedulers are omitted without them.
type BlkioStats struct {
	ServiceBytes []BlkioEntry `json:"ioServiceBytesRecursive,omitempty"`
	Serviced     []BlkioEntry `json:"ioServicedRecursive,omitempty"`
	Queued       []BlkioEntry `json:"ioQueueRecursive,omitempty"`
	ServiceTime  []BlkioEntry `json:"ioServiceTimeRecursive,omitempty"`
	WaitTime     []BlkioEntry `json:"ioWaitTimeRecursive,omitempty"`
	Merged       []BlkioEntry `json:"ioMergedRecursive,omitempty"`
	Time         []BlkioEntry `json:"ioTimeRecursive,omitempty"`
	Sectors      []BlkioEntry `json:"sectorsRecursive,omitempty"`
	PSI          *PSI         `json:"psi,omitempty"`
}

// BlkioEntry is one number of one device.
type BlkioEntry struct {
	Major uint64 `json:"major,omitempty"`
	Minor uint64 `json:"minor,omitempty"`
	Op    string `json:"op,omitempty"` // Read, Write, Sync, Async, Discard, Total
	Value uint64 `json:"value,omitempty"`
}

// HugetlbStats is the usage of huge pages of one size.
type HugetlbStats struct {
	Usage   uint64 `json:"usage,omitempty"`
	Max     uint64 `json:"max,omitempty"`
	Failcnt uint64 `json:"failcnt"`
}

// PSI is pressure stall information (accounting/psi.rst), only for v2.
type PSI struct {
	Some Pressure `json:"some"`
	Full Pressure `json:"full"`
}

// Pressure is the share of time, in percent, that tasks waited, and the total in
// microseconds.
type Pressure struct {
	Avg10  float64 `json:"avg10"`
	Avg60  float64 `json:"avg60"`
	Avg300 float64 `json:"avg300"`
	Total  uint64  `json:"total"`
}

// Stats samples the group. On a hybrid host the v1 hierarchies are read, and the v2
// tree only for controllers that no v1 hierarchy has.
func (g *Group) Stats() (*Stats, error) {
	s := &Stats{Hugetlb: map[string]HugetlbStats{}}
	r := &statReader{}
	found := false
	for i := range g.dirs {
		d := &g.dirs[i]
		if _, err := os.Stat(d.path); err != nil {
			continue
		}
		found = true
		if d.v2() {
			r.unified(s, d.path, g)
			continue
		}
		for _, controller := range d.keys {
			r.v1(s, controller, d.path)
		}
	}
	if !found {
		return nil, fmt.Errorf("read the container's statistics: none of its cgroups exists: %w", fs.ErrNotExist)
	}
	if r.err != nil {
		return nil, fmt.Errorf("read the container's statistics: %w", r.err)
	}
	return s, nil
}

// statReader reads numbers until the first error, which it records. A missing file is
// not an error: the kernel was built without it, or the cgroup is being removed.
type statReader struct{ err error }

func (r *statReader) text(path string) (string, bool) {
	if r.err != nil {
		return "", false
	}
	s, err := readText(path)
	if err == nil {
		return s, true
	}
	if !gone(err) && !notSupported(err) {
		r.err = err
	}
	return "", false
}

// notSupported reports whether the kernel does not support a file: so for the root of
// a tree and a threaded cgroup, and on a kernel that was started with psi=0.
func notSupported(err error) bool { return errors.Is(err, errors.ErrUnsupported) }

// number reads a file with a single number; "max" is the largest one.
func (r *statReader) number(path string) uint64 {
	s, ok := r.text(path)
	if !ok {
		return 0
	}
	return r.parse(path, s)
}

func (r *statReader) parse(path, s string) uint64 {
	s = strings.TrimSpace(s)
	if s == "max" {
		return math.MaxUint64
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		r.malformed(path, s)
	}
	return n
}

func (r *statReader) malformed(path, s string) {
	if r.err == nil {
		r.err = fmt.Errorf("%s: %q is not the content that cgroups(7) describes", path, s)
	}
}

// table reads lines of a name and a number.
func (r *statReader) table(path string) map[string]uint64 {
	s, ok := r.text(path)
	if !ok {
		return nil
	}
	t := make(map[string]uint64, 64)
	for line := range strings.Lines(s) {
		name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if !ok {
			r.malformed(path, line)
			break
		}
		t[name] = r.parse(path, value)
	}
	return t
}

// set reads a list of CPUs or memory nodes such as 0-2,7.
func (r *statReader) set(path string) []uint16 {
	s, ok := r.text(path)
	if !ok {
		return nil
	}
	numbers, ok := parseList(s)
	if !ok {
		r.malformed(path, s)
		return nil
	}
	var list []uint16
	for n := range numbers {
		list = append(list, uint16(n)) // parseList accepts 16 bits
	}
	slices.Sort(list)
	return list
}
