package spec

// This file validates linux.resources: values that no cgroup of any version accepts.
// Whether the host has a controller or a device is checked when it is used.

import (
	"math"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/spec/strictjson"
)

// validateResources checks resources at a path that ends with a dot, or is empty.
func validateResources(p *problems, prefix string, r *specs.LinuxResources) {
	for i := range r.Devices {
		validateDeviceRule(p, entry(prefix+"devices", i), &r.Devices[i])
	}
	if r.Memory != nil {
		validateMemory(p, prefix+"memory", r.Memory)
	}
	if r.CPU != nil {
		validateCPU(p, prefix+"cpu", r.CPU)
	}
	if r.Pids != nil && r.Pids.Limit != nil && *r.Pids.Limit < -1 {
		warnUnlimited(p, prefix+"pids.limit", *r.Pids.Limit)
	}
	if r.BlockIO != nil {
		validateBlockIO(p, prefix+"blockIO", r.BlockIO)
	}
	validateHugepages(p, prefix+"hugepageLimits", r.HugepageLimits)
	if r.Network != nil {
		validatePriorities(p, prefix+"network.priorities", r.Network.Priorities)
	}
	for _, dev := range sortedKeys(r.Rdma) {
		if dev == "" || strings.ContainsAny(dev, " \t\n\x00/") {
			p.Bad(Key(prefix+"rdma", dev), "must be the name of a device", quote(dev))
		}
		if d := r.Rdma[dev]; d.HcaHandles == nil && d.HcaObjects == nil {
			p.Bad(Key(prefix+"rdma", dev), "must have hcaHandles, hcaObjects or both", "")
		}
	}
	for _, file := range sortedKeys(r.Unified) {
		if file == "" || file == "." || file == ".." || strings.ContainsAny(file, "/\x00") {
			p.Bad(Key(prefix+"unified", file), "must be the name of a file in a cgroup such as memory.high",
				quote(file))
		}
		checkText(p, Key(prefix+"unified", file), r.Unified[file])
	}
}

// validateDeviceRule checks a rule of the allowed device list. -1 stands for any
// number, as in runc.
func validateDeviceRule(p *problems, prefix string, d *specs.LinuxDeviceCgroup) {
	switch d.Type {
	case "", "a", "b", "c":
	default:
		p.Bad(prefix+".type", "must be a, b or c", quote(d.Type))
	}
	for _, f := range []struct {
		name   string
		number *int64
	}{{".major", d.Major}, {".minor", d.Minor}} {
		if f.number != nil && (*f.number < -1 || *f.number > math.MaxUint32) {
			p.Bad(prefix+f.name, "must be from 0 to 4294967295, or -1 for any", itoa(*f.number))
		}
	}
	switch {
	case !strings.ContainsAny(d.Access, "rwm"):
		p.Bad(prefix+".access", "must be composed of r, w and m", quote(d.Access))
	case strings.Trim(d.Access, "rwm") != "":
		// as in runc
		p.Warn(prefix+".access", quote(d.Access)+" has letters other than r, w and m, which have no effect")
	}
}

// warnUnlimited warns about a number below -1. The specification defines only -1 as no
// limit; runc accepts every negative number, and the kernel does for the CPU quota.
func warnUnlimited(p *problems, path string, n int64) {
	p.Warn(path, itoa(n)+" is taken as -1, which means no limit")
}

// validateMemory checks limits in bytes: -1 means unlimited, 0 sets nothing.
func validateMemory(p *problems, prefix string, m *specs.LinuxMemory) {
	for _, f := range []struct {
		name  string
		bytes *int64
	}{
		{".limit", m.Limit}, {".reservation", m.Reservation}, {".swap", m.Swap},
		{".kernel", m.Kernel}, {".kernelTCP", m.KernelTCP},
	} {
		if f.bytes != nil && *f.bytes < -1 {
			p.Bad(prefix+f.name, "must be a number of bytes, or -1 for no limit", itoa(*f.bytes))
		}
	}
	if m.Swap != nil && *m.Swap > 0 {
		// swap is memory and swap together, so it cannot be less than memory alone.
		switch {
		case (m.Limit == nil || *m.Limit == 0) && p.partial:
			// The container already has one.
		case m.Limit == nil || *m.Limit == 0:
			p.Bad(prefix+".swap", "needs a limit of memory too", itoa(*m.Swap))
		case *m.Limit == -1:
			p.Bad(prefix+".swap", "must be -1 as limit is: it is the limit of memory and swap together", itoa(*m.Swap))
		case *m.Swap < *m.Limit:
			p.Bad(prefix+".swap", "must not be less than limit, "+itoa(*m.Limit)+
				": it is the limit of memory and swap together", itoa(*m.Swap))
		}
	}
	if m.Kernel != nil && *m.Kernel > 0 {
		p.Warn(prefix+".kernel", "has no effect: Linux counts kernel memory towards limit")
	}
	if m.UseHierarchy != nil && !*m.UseHierarchy {
		p.Warn(prefix+".useHierarchy", "false has no effect: Linux always counts hierarchically")
	}
	if v := m.Swappiness; v != nil && *v > 100 && *v != math.MaxUint64 { // -1 from engines: not set
		p.Bad(prefix+".swappiness", "must be from 0 to 100", utoa(*m.Swappiness))
	}
}

// validateCPU checks the kernel's limits; times are in microseconds, and 0 sets
// nothing (sched-bwc.rst, cgroup-v1/cpusets.rst).
func validateCPU(p *problems, prefix string, c *specs.LinuxCPU) {
	if v := c.Shares; v != nil && *v != 0 && (*v < 2 || *v > 262144) {
		p.Bad(prefix+".shares", "must be from 2 to 262144", utoa(*v))
	}
	if v := c.Quota; v != nil && *v < -1 {
		warnUnlimited(p, prefix+".quota", *v)
	} else if v != nil && *v > 0 && (*v < 1000 || *v > math.MaxInt64/1000) {
		p.Bad(prefix+".quota", "must be at least 1000 microseconds, or -1 for no limit", itoa(*v))
	}
	if v := c.Period; v != nil && *v != 0 && (*v < 1000 || *v > 1_000_000) {
		p.Bad(prefix+".period", "must be from 1000 to 1000000 microseconds", utoa(*v))
	}
	if v := c.Burst; v != nil && *v > math.MaxInt64/1000 {
		p.Bad(prefix+".burst", "must be a number of microseconds below 2^63 nanoseconds", utoa(*v))
	} else if v != nil && c.Quota != nil && *c.Quota > 0 && *v > uint64(*c.Quota) {
		p.Bad(prefix+".burst", "must not be greater than quota, "+itoa(*c.Quota), utoa(*v))
	}
	if v := c.RealtimePeriod; v != nil && *v > math.MaxInt64/1000 {
		p.Bad(prefix+".realtimePeriod", "must be a number of microseconds below 2^63 nanoseconds", utoa(*v))
	}
	if v := c.RealtimeRuntime; v != nil && (*v < -1 || *v > math.MaxInt64/1000) {
		p.Bad(prefix+".realtimeRuntime", "must be a number of microseconds, or -1 for no limit", itoa(*v))
	} else if v != nil && c.RealtimePeriod != nil && *c.RealtimePeriod > 0 && *v > 0 && uint64(*v) > *c.RealtimePeriod {
		p.Bad(prefix+".realtimeRuntime", "must not be greater than realtimePeriod, "+utoa(*c.RealtimePeriod), itoa(*v))
	}
	if c.Cpus != "" {
		checkList(p, prefix+".cpus", c.Cpus, "CPU")
	}
	if c.Mems != "" {
		checkList(p, prefix+".mems", c.Mems, "node")
	}
	if v := c.Idle; v != nil && *v != 0 && *v != 1 {
		p.Bad(prefix+".idle", "must be 0 or 1", itoa(*v))
	}
}

func validateBlockIO(p *problems, prefix string, b *specs.LinuxBlockIO) {
	weight := func(path string, w *uint16) {
		if w != nil && *w != 0 && (*w < 10 || *w > 1000) {
			p.Bad(path, "must be from 10 to 1000, or 0 to leave it unchanged", utoa(*w))
		}
	}
	device := func(path string, d *specs.LinuxBlockIODevice) {
		if d.Major < 0 || d.Major > 1<<12-1 {
			p.Bad(path+".major", "must be from 0 to 4095", itoa(d.Major))
		}
		if d.Minor < 0 || d.Minor > 1<<20-1 {
			p.Bad(path+".minor", "must be from 0 to 1048575", itoa(d.Minor))
		}
	}
	weight(prefix+".weight", b.Weight)
	weight(prefix+".leafWeight", b.LeafWeight)
	for i := range b.WeightDevice {
		d, path := &b.WeightDevice[i], entry(prefix+".weightDevice", i)
		device(path, &d.LinuxBlockIODevice)
		weight(path+".weight", d.Weight)
		weight(path+".leafWeight", d.LeafWeight)
		if d.Weight == nil && d.LeafWeight == nil {
			p.Bad(path, "must have weight, leafWeight or both", "")
		}
	}
	for _, f := range []struct {
		name string
		list []specs.LinuxThrottleDevice
	}{
		{".throttleReadBpsDevice", b.ThrottleReadBpsDevice},
		{".throttleWriteBpsDevice", b.ThrottleWriteBpsDevice},
		{".throttleReadIOPSDevice", b.ThrottleReadIOPSDevice},
		{".throttleWriteIOPSDevice", b.ThrottleWriteIOPSDevice},
	} {
		for i := range f.list {
			device(entry(prefix+f.name, i), &f.list[i].LinuxBlockIODevice)
		}
	}
}

func validateHugepages(p *problems, list string, limits []specs.LinuxHugepageLimit) {
	var seen strictjson.KeySet
	for i, h := range limits {
		if !hugepageSize(h.Pagesize) {
			p.Bad(entry(list, i)+".pageSize", "must be a size of huge pages such as 2MB or 1GB", quote(h.Pagesize))
		}
		if !seen.Add(h.Pagesize) {
			p.Bad(entry(list, i)+".pageSize", "must not be given twice", quote(h.Pagesize))
		}
	}
}

// hugepageSize checks <size>KB, <size>MB or <size>GB; pages are powers of two.
func hugepageSize(s string) bool {
	if len(s) < 3 || s[len(s)-1] != 'B' || !strings.Contains("KMG", s[len(s)-2:len(s)-1]) {
		return false
	}
	digits := s[:len(s)-2]
	n, err := strconv.ParseUint(digits, 10, 32)
	return err == nil && digits[0] != '0' && n&(n-1) == 0
}

func validatePriorities(p *problems, list string, priorities []specs.LinuxInterfacePriority) {
	var seen strictjson.KeySet
	for i, f := range priorities {
		if !interfaceName(f.Name) {
			p.Bad(entry(list, i)+".name", "must be the name of a network device", quote(f.Name))
		}
		if !seen.Add(f.Name) {
			p.Bad(entry(list, i)+".name", "must not be given twice", quote(f.Name))
		}
	}
}
