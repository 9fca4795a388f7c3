// This file reads the statistics of the v2 tree (admin-guide/cgroup-v2.rst), converted
// to the terms of v1.

package cgroups

import (
	"math"
	"strconv"
	"strings"
)

// unified adds the counters of the v2 tree that no v1 hierarchy of the group has.
func (r *statReader) unified(s *Stats, dir string, g *Group) {
	missing := func(controller string) bool { return g.dir(controller, false) == nil }
	if missing("cpu") && missing("cpuacct") {
		r.cpu2(&s.CPU, dir)
	}
	if missing("cpuset") {
		s.CPUSet.CPUs, s.CPUSet.Mems = r.set(dir+"/cpuset.cpus.effective"), r.set(dir+"/cpuset.mems.effective")
	}
	if missing("memory") {
		r.memory2(&s.Memory, dir)
	}
	if missing("pids") {
		r.pids(&s.Pids, dir)
	}
	if missing("blkio") {
		r.io(&s.Blkio, dir)
	}
	if missing("hugetlb") {
		r.hugetlb2(s.Hugetlb, dir)
	}
	if g.only {
		s.CPU.PSI, s.Memory.PSI, s.Blkio.PSI = r.pressure(dir+"/cpu.pressure"), r.pressure(dir+"/memory.pressure"), r.pressure(dir+"/io.pressure")
	}
}

func (r *statReader) cpu2(c *CPUStats, dir string) {
	const microsecond = 1000
	t := r.table(dir + "/cpu.stat")
	c.Usage = CPUUsage{Total: t["usage_usec"] * microsecond, Kernel: t["system_usec"] * microsecond, User: t["user_usec"] * microsecond}
	c.Throttling = Throttling{t["nr_periods"], t["nr_throttled"], t["throttled_usec"] * microsecond}
}

func (r *statReader) memory2(m *MemoryStats, dir string) {
	m.Raw = r.table(dir + "/memory.stat")
	m.Cache = m.Raw["file"]
	m.Usage = MemoryEntry{Limit: r.number(dir + "/memory.max"), Usage: r.number(dir + "/memory.current"), Max: r.number(dir + "/memory.peak")}
	m.Events = r.table(dir + "/memory.events")
	m.Usage.Failcnt = m.Events["max"]
	// v1 counts memory and swap together, and readers expect that.
	m.Swap = MemoryEntry{Limit: r.number(dir + "/memory.swap.max"), Usage: r.number(dir+"/memory.swap.current") + m.Usage.Usage}
	m.Swap.Failcnt = r.table(dir + "/memory.swap.events")["max"]
	if m.Usage.Limit == math.MaxUint64 || m.Swap.Limit == math.MaxUint64 {
		m.Swap.Limit = math.MaxUint64
	} else {
		m.Swap.Limit += m.Usage.Limit
	}
	m.Kernel.Usage = m.Raw["kernel"]
	m.KernelTCP.Usage = m.Raw["sock"]
}

// io converts io.stat, "8:0 rbytes=… wbytes=… rios=… …", to v1's lists.
func (r *statReader) io(b *BlkioStats, dir string) {
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

func (r *statReader) hugetlb2(all map[string]HugetlbStats, dir string) {
	for _, size := range pageSizes(dir, ".current") {
		prefix := dir + "/hugetlb." + size
		all[size] = HugetlbStats{Usage: r.number(prefix + ".current"), Failcnt: r.table(prefix + ".events")["max"]}
	}
}

// pressure reads "some avg10=0.00 avg60=0.00 avg300=0.00 total=0" and the same for
// full; nil if the kernel does not count.
func (r *statReader) pressure(path string) *PSI {
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
				r.malformed(path, line)
			}
		}
	}
	return p
}
