package stats

import (
	"strings"

	"github.com/minirun/minirun/internal/cgroups/group"
)

// userHZTick is the length of the USER_HZ in which cpuacct.stat counts: 100 per second on
// every architecture that Go runs on.
const userHZTick = 1e9 / 100

// readV1 adds the counters of the controllers that are on v1 hierarchies
// (Documentation/admin-guide/cgroup-v1).
func (r *reader) readV1(s *Stats, g *group.Group) {
	for _, c := range [...]struct {
		controller string
		read       func(s *Stats, dir string)
	}{
		{"cpu", r.cpuV1}, {"cpuacct", r.cpuacctV1}, {"cpuset", r.cpusetV1}, {"memory", r.memoryV1},
		{"pids", r.pids}, {"blkio", r.blkioV1}, {"hugetlb", r.hugetlbV1},
	} {
		if dir := g.V1Directory(c.controller); dir != "" {
			c.read(s, dir)
		}
	}
}

// cpuV1 reads the throttling of a quota (Linux 3.2, scheduler/sched-bwc.rst).
func (r *reader) cpuV1(s *Stats, dir string) {
	t := r.table(dir + "/cpu.stat")
	s.CPU.Throttling = Throttling{t["nr_periods"], t["nr_throttled"], t["throttled_time"]}
}

// cpuacctV1 reads the time on each CPU (cpuacct.rst); cpuacct.usage_all is of Linux 4.8.
func (r *reader) cpuacctV1(s *Stats, dir string) {
	u := &s.CPU.Usage
	u.Total = r.number(dir + "/cpuacct.usage")
	t := r.table(dir + "/cpuacct.stat")
	u.Kernel, u.User = t["system"]*userHZTick, t["user"]*userHZTick
	path := dir + "/cpuacct.usage_percpu"
	text, _ := r.text(path)
	for word := range strings.FieldsSeq(text) {
		u.Percpu = append(u.Percpu, r.parse(path, word))
	}
	// A heading "cpu user system", then a line for each CPU.
	path = dir + "/cpuacct.usage_all"
	text, _ = r.text(path)
	_, text, _ = strings.Cut(text, "\n")
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) != 3 {
			r.fail(path, line)
			return
		}
		u.PercpuUser = append(u.PercpuUser, r.parse(path, f[1]))
		u.PercpuKernel = append(u.PercpuKernel, r.parse(path, f[2]))
	}
}

// cpusetV1 reads the settings of cpusets.rst.
func (r *reader) cpusetV1(s *Stats, dir string) {
	c := &s.CPUSet
	dir += "/cpuset."
	c.CPUs, c.Mems = r.list(dir+"cpus"), r.list(dir+"mems")
	c.CPUExclusive = r.number(dir + "cpu_exclusive")
	c.MemHardwall = r.number(dir + "mem_hardwall")
	c.MemExclusive = r.number(dir + "mem_exclusive")
	c.MemoryMigrate = r.number(dir + "memory_migrate")
	c.MemorySpreadPage = r.number(dir + "memory_spread_page")
	c.MemorySpreadSlab = r.number(dir + "memory_spread_slab")
	c.MemoryPressure = r.number(dir + "memory_pressure")
	c.SchedLoadBalance = r.number(dir + "sched_load_balance")
	// -1 is "the system's default".
	path := dir + "sched_relax_domain_level"
	if text, ok := r.text(path); ok {
		level, negative := strings.CutPrefix(text, "-")
		c.SchedRelaxDomainLevel = int64(r.parse(path, level))
		if negative {
			c.SchedRelaxDomainLevel = -c.SchedRelaxDomainLevel
		}
	}
}

// memoryV1 reads the counters of memory.rst.
func (r *reader) memoryV1(s *Stats, dir string) {
	m := &s.Memory
	entry := func(name string) MemoryEntry {
		prefix := dir + "/memory." + name
		return MemoryEntry{
			Limit: r.number(prefix + "limit_in_bytes"), Usage: r.number(prefix + "usage_in_bytes"),
			Max: r.number(prefix + "max_usage_in_bytes"), Failcnt: r.number(prefix + "failcnt"),
		}
	}
	m.Raw = r.table(dir + "/memory.stat")
	m.Cache = m.Raw["cache"]
	m.Usage, m.Swap, m.Kernel, m.KernelTCP = entry(""), entry("memsw."), entry("kmem."), entry("kmem.tcp.")
}

// pids reads the number of tasks: the files are the same in both versions (Linux 4.3,
// pids.rst).
func (r *reader) pids(s *Stats, dir string) {
	p := &s.Pids
	p.Current = r.number(dir + "/pids.current")
	if text, ok := r.text(dir + "/pids.max"); ok && text != "max" {
		p.Limit = r.parse(dir+"/pids.max", text)
	}
}

// blkioV1 reads each list from the layer that counts it (blkio-controller.rst): CFQ
// (before Linux 5.0), BFQ (4.12), or for bytes and requests the throttling layer, which
// always does.
func (r *reader) blkioV1(s *Stats, dir string) {
	b := &s.Blkio
	for _, f := range [...]struct {
		name string
		to   *[]BlkioEntry
	}{
		{"io_service_bytes", &b.ServiceBytes}, {"io_serviced", &b.Serviced},
		{"io_queued", &b.Queued}, {"io_service_time", &b.ServiceTime},
		{"io_wait_time", &b.WaitTime}, {"io_merged", &b.Merged}, {"time", &b.Time}, {"sectors", &b.Sectors},
	} {
		for _, layer := range [...]string{"/blkio.", "/blkio.bfq.", "/blkio.throttle."} {
			if *f.to = r.blkioList(dir + layer + f.name + "_recursive"); len(*f.to) > 0 {
				break
			}
		}
	}
}

// blkioList reads lines "8:0 Read 4096" or "8:0 12"; one with the total of all devices
// comes last.
func (r *reader) blkioList(path string) (list []BlkioEntry) {
	text, _ := r.text(path)
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) == 2 && f[0] == "Total" {
			continue
		}
		if len(f) != 2 && len(f) != 3 {
			r.fail(path, line)
			return nil
		}
		e := BlkioEntry{Value: r.parse(path, f[len(f)-1])}
		e.Major, e.Minor = r.device(path, f[0])
		if len(f) == 3 {
			e.Op = f[1]
		}
		list = append(list, e)
	}
	return list
}

// hugetlbV1 reads the usage of huge pages (Linux 3.6, hugetlb.rst).
func (r *reader) hugetlbV1(s *Stats, dir string) {
	for _, size := range pageSizes(dir, ".usage_in_bytes") {
		prefix := dir + "/hugetlb." + size
		s.Hugetlb[size] = HugetlbStats{
			Usage:   r.number(prefix + ".usage_in_bytes"),
			Max:     r.number(prefix + ".max_usage_in_bytes"),
			Failcnt: r.number(prefix + ".failcnt"),
		}
	}
}
