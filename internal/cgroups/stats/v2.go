package stats

import (
	"math"
	"strconv"
	"strings"

	"github.com/minirun/minirun/internal/cgroups/group"
)

// readV2 adds the counters of the v2 tree (admin-guide/cgroup-v2.rst) that no v1
// hierarchy of the group has, converted to the terms of v1.
func (r *reader) readV2(s *Stats, g *group.Group, dir string) {
	inV1 := func(controller string) bool { return g.V1Directory(controller) != "" }
	if !inV1("cpu") && !inV1("cpuacct") {
		r.cpuV2(s, dir)
	}
	if !inV1("cpuset") {
		r.cpusetV2(s, dir)
	}
	if !inV1("memory") {
		r.memoryV2(s, dir)
	}
	if !inV1("pids") {
		r.pids(s, dir)
	}
	if !inV1("blkio") {
		r.ioV2(s, dir)
	}
	if !inV1("hugetlb") {
		r.hugetlbV2(s, dir)
	}
	if g.IsV2Only() {
		s.CPU.PSI = r.pressure(dir + "/cpu.pressure")
		s.Memory.PSI = r.pressure(dir + "/memory.pressure")
		s.Blkio.PSI = r.pressure(dir + "/io.pressure")
	}
}

// cpuV2 reads "CPU": usage since Linux 4.15, throttling if a quota is set.
func (r *reader) cpuV2(s *Stats, dir string) {
	const microsecond = 1000
	t := r.table(dir + "/cpu.stat")
	s.CPU.Usage = CPUUsage{
		Total: t["usage_usec"] * microsecond, Kernel: t["system_usec"] * microsecond, User: t["user_usec"] * microsecond,
	}
	s.CPU.Throttling = Throttling{t["nr_periods"], t["nr_throttled"], t["throttled_usec"] * microsecond}
}

// cpusetV2 reads "Cpuset" (Linux 5.0).
func (r *reader) cpusetV2(s *Stats, dir string) {
	s.CPUSet.CPUs = r.list(dir + "/cpuset.cpus.effective")
	s.CPUSet.Mems = r.list(dir + "/cpuset.mems.effective")
}

// memoryV2 reads "Memory": memory.events is of Linux 4.5, memory.swap.events of 4.18,
// memory.peak of 5.19, the entry kernel of memory.stat of 5.18.
func (r *reader) memoryV2(s *Stats, dir string) {
	m := &s.Memory
	m.Raw = r.table(dir + "/memory.stat")
	m.Cache = m.Raw["file"]
	m.Usage = MemoryEntry{
		Limit: r.number(dir + "/memory.max"), Usage: r.number(dir + "/memory.current"), Max: r.number(dir + "/memory.peak"),
	}
	m.Events = r.table(dir + "/memory.events")
	m.Usage.Failcnt = m.Events["max"]
	// v1 counts memory and swap together, and readers expect that.
	m.Swap = MemoryEntry{
		Limit: r.number(dir + "/memory.swap.max"), Usage: r.number(dir+"/memory.swap.current") + m.Usage.Usage,
	}
	m.Swap.Failcnt = r.table(dir + "/memory.swap.events")["max"]
	if m.Usage.Limit == math.MaxUint64 || m.Swap.Limit == math.MaxUint64 {
		m.Swap.Limit = math.MaxUint64
	} else {
		m.Swap.Limit += m.Usage.Limit
	}
	m.Kernel.Usage = m.Raw["kernel"]
	m.KernelTCP.Usage = m.Raw["sock"]
}

// ioV2 converts the counters of io.stat ("IO") to v1's lists. A line is
// "8:0 rbytes=… wbytes=… rios=… wios=… dbytes=… dios=…"; the last two are of Linux 4.19.
func (r *reader) ioV2(s *Stats, dir string) {
	b := &s.Blkio
	path := dir + "/io.stat"
	text, _ := r.text(path)
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 2 { // a device without input and output may have no counters
			continue
		}
		major, minor := r.device(path, f[0])
		for _, counter := range f[1:] {
			name, value, _ := strings.Cut(counter, "=")
			e := BlkioEntry{Major: major, Minor: minor}
			list := &b.ServiceBytes
			switch name {
			case "rbytes":
				e.Op = "Read"
			case "wbytes":
				e.Op = "Write"
			case "dbytes":
				e.Op = "Discard"
			case "rios":
				e.Op, list = "Read", &b.Serviced
			case "wios":
				e.Op, list = "Write", &b.Serviced
			case "dios":
				e.Op, list = "Discard", &b.Serviced
			default:
				continue // of io.cost and others
			}
			e.Value = r.parse(path, value)
			*list = append(*list, e)
		}
	}
}

// hugetlbV2 reads "HugeTLB" (Linux 5.6).
func (r *reader) hugetlbV2(s *Stats, dir string) {
	for _, size := range pageSizes(dir, ".current") {
		prefix := dir + "/hugetlb." + size
		s.Hugetlb[size] = HugetlbStats{Usage: r.number(prefix + ".current"), Failcnt: r.table(prefix + ".events")["max"]}
	}
}

// pressure reads a file of pressure stall information (Linux 4.20, accounting/psi.rst):
// "some avg10=0.00 avg60=0.00 avg300=0.00 total=0" and the same for full. nil means that
// the kernel does not count.
func (r *reader) pressure(path string) *PSI {
	text, ok := r.text(path)
	if !ok {
		return nil
	}
	p := &PSI{}
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		to := &p.Some
		if len(f) > 0 && f[0] == "full" {
			to = &p.Full
		}
		for _, word := range f {
			name, value, _ := strings.Cut(word, "=")
			var err error
			switch name {
			case "avg10":
				to.Avg10, err = strconv.ParseFloat(value, 64)
			case "avg60":
				to.Avg60, err = strconv.ParseFloat(value, 64)
			case "avg300":
				to.Avg300, err = strconv.ParseFloat(value, 64)
			case "total":
				to.Total = r.parse(path, value)
			}
			if err != nil {
				r.fail(path, line)
			}
		}
	}
	return p
}
