// This file reads the statistics of the v1 hierarchies (admin-guide/cgroup-v1/).

package cgroups

import (
	"os"
	"strings"
)

// tick is the length of the USER_HZ in which cpuacct.stat counts: 100 per second on
// every architecture that Go runs on.
const tick = 1e9 / 100

// v1 adds the counters of one controller.
func (r *statReader) v1(s *Stats, controller, dir string) {
	switch controller {
	case "cpu":
		t := r.table(dir + "/cpu.stat")
		s.CPU.Throttling = Throttling{t["nr_periods"], t["nr_throttled"], t["throttled_time"]}
	case "cpuacct":
		r.cpuacct(&s.CPU.Usage, dir)
	case "cpuset":
		r.cpuset(&s.CPUSet, dir)
	case "memory":
		r.memory1(&s.Memory, dir)
	case "pids":
		r.pids(&s.Pids, dir)
	case "blkio":
		r.blkio(&s.Blkio, dir)
	case "hugetlb":
		r.hugetlb1(s.Hugetlb, dir)
	}
}

func (r *statReader) cpuacct(u *CPUUsage, dir string) {
	u.Total = r.number(dir + "/cpuacct.usage")
	t := r.table(dir + "/cpuacct.stat")
	u.Kernel, u.User = t["system"]*tick, t["user"]*tick
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
			r.malformed(path, line)
			return
		}
		u.PercpuUser = append(u.PercpuUser, r.parse(path, f[1]))
		u.PercpuKernel = append(u.PercpuKernel, r.parse(path, f[2]))
	}
}

func (r *statReader) cpuset(c *CPUSetStats, dir string) {
	dir += "/cpuset."
	c.CPUs, c.Mems = r.set(dir+"cpus"), r.set(dir+"mems")
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

func (r *statReader) memory1(m *MemoryStats, dir string) {
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

// pids is the same in both versions.
func (r *statReader) pids(p *PidsStats, dir string) {
	p.Current = r.number(dir + "/pids.current")
	if text, ok := r.text(dir + "/pids.max"); ok && text != "max" {
		p.Limit = r.parse(dir+"/pids.max", text)
	}
}

// blkio reads each list from the layer that counts it: CFQ (before Linux 5.0), BFQ, or
// for bytes and requests the throttling layer, which always does.
func (r *statReader) blkio(b *BlkioStats, dir string) {
	for _, f := range [...]struct {
		name string
		to   *[]BlkioEntry
	}{
		{"io_service_bytes", &b.ServiceBytes}, {"io_serviced", &b.Serviced}, {"io_queued", &b.Queued}, {"io_service_time", &b.ServiceTime},
		{"io_wait_time", &b.WaitTime}, {"io_merged", &b.Merged}, {"time", &b.Time}, {"sectors", &b.Sectors},
	} {
		for _, by := range [...]string{"/blkio.", "/blkio.bfq.", "/blkio.throttle."} {
			if *f.to = r.blkioList(dir + by + f.name + "_recursive"); len(*f.to) > 0 {
				break
			}
		}
	}
}

// blkioList reads lines "8:0 Read 4096" or "8:0 12"; one with the total of all devices
// comes last.
func (r *statReader) blkioList(path string) (list []BlkioEntry) {
	text, _ := r.text(path)
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) == 2 && f[0] == "Total" {
			continue
		}
		if len(f) != 2 && len(f) != 3 {
			r.malformed(path, line)
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

func (r *statReader) device(path, number string) (major, minor uint64) {
	a, b, ok := strings.Cut(number, ":")
	if !ok {
		r.malformed(path, number)
		return 0, 0
	}
	return r.parse(path, a), r.parse(path, b)
}

func (r *statReader) hugetlb1(all map[string]HugetlbStats, dir string) {
	for _, size := range pageSizes(dir, ".usage_in_bytes") {
		prefix := dir + "/hugetlb." + size
		all[size] = HugetlbStats{r.number(prefix + ".usage_in_bytes"), r.number(prefix + ".max_usage_in_bytes"), r.number(prefix + ".failcnt")}
	}
}

// pageSizes returns the sizes of huge pages for which a cgroup has files.
func pageSizes(dir, suffix string) (sizes []string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil // the cgroup is being removed
	}
	for _, e := range entries {
		name, ok := strings.CutPrefix(e.Name(), "hugetlb.")
		size, ok2 := strings.CutSuffix(name, suffix)
		if ok && ok2 && !strings.Contains(size, ".") { // not 2MB.rsvd
			sizes = append(sizes, size)
		}
	}
	return sizes
}
