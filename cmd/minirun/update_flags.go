package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/container/control"
	"github.com/minirun/minirun/internal/spec"
)

// parseResources converts the flags of `update`, by name without dashes, to resources
// (pure). One that is not given is "".
func parseResources(flag func(name string) string) (*specs.LinuxResources, error) {
	p := &flagParser{flag: flag}
	r := &specs.LinuxResources{
		CPU: &specs.LinuxCPU{
			Shares: p.unsigned("cpu-share"), Quota: p.signed("cpu-quota"), Period: p.unsigned("cpu-period"),
			Burst:          p.unsigned("cpu-burst"),
			RealtimePeriod: p.unsigned("cpu-rt-period"), RealtimeRuntime: p.signed("cpu-rt-runtime"),
			Idle: p.signed("cpu-idle"),
			Cpus: flag("cpuset-cpus"), Mems: flag("cpuset-mems"),
		},
		Memory: &specs.LinuxMemory{Limit: p.size("memory"), Reservation: p.size("memory-reservation"),
			Swap: p.size("memory-swap")},
	}
	p.cpus(r.CPU)
	if limit := p.signed("pids-limit"); limit != nil {
		r.Pids = &specs.LinuxPids{Limit: limit}
	}
	if weight := p.unsigned("blkio-weight"); weight != nil {
		if *weight > math.MaxUint16 {
			p.fail("blkio-weight", "a weight from 10 to 1000")
		}
		w := uint16(*weight)
		r.BlockIO = &specs.LinuxBlockIO{Weight: &w}
	}
	if p.err != nil {
		return nil, p.err
	}
	return r, spec.ValidateResources(r, "update")
}

// cpus sets the quota of --cpus, as docker does.
func (p *flagParser) cpus(c *specs.LinuxCPU) {
	text := p.flag("cpus")
	if text == "" {
		return
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || !(n >= 0.01) || n > math.MaxInt32 {
		p.fail("cpus", "a number, 0.01 or more")
	}
	if c.Quota != nil || c.Period != nil {
		p.fail("cpus", "given without --cpu-quota and --cpu-period, which it sets")
	}
	period := uint64(100_000) // µs
	quota := int64(n * float64(period))
	c.Quota, c.Period = &quota, &period
}

// parseRdtSchemas converts the flags of `update` for the container's resctrl group to
// its schemas (pure).
func parseRdtSchemas(flag func(name string) string) (control.RdtSchemas, error) {
	s := control.RdtSchemas{L3Cache: flag("l3-cache-schema"), MemoryBandwidth: flag("mem-bw-schema")}
	for _, f := range [...]struct{ name, value, prefix string }{
		{"l3-cache-schema", s.L3Cache, "L3"}, {"mem-bw-schema", s.MemoryBandwidth, "MB:"},
	} {
		if f.value != "" && (!strings.HasPrefix(f.value, f.prefix) || strings.Contains(f.value, "\n")) {
			return control.RdtSchemas{},
				fmt.Errorf("--%s %q: must be one line of resctrl's schemata that begins with %s", f.name, f.value,
					f.prefix)
		}
	}
	return s, nil
}

// flagParser records the first error.
type flagParser struct {
	flag func(string) string
	err  error
}

func (p *flagParser) fail(name, want string) {
	if p.err == nil {
		p.err = fmt.Errorf("--%s %q: must be %s", name, p.flag(name), want)
	}
}

func (p *flagParser) unsigned(name string) *uint64 {
	if p.flag(name) == "" {
		return nil
	}
	n, err := strconv.ParseUint(p.flag(name), 10, 64)
	if err != nil {
		p.fail(name, "a number, not negative")
	}
	return &n
}

func (p *flagParser) signed(name string) *int64 {
	if p.flag(name) == "" {
		return nil
	}
	n, err := strconv.ParseInt(p.flag(name), 10, 64)
	if err != nil {
		p.fail(name, "a number")
	}
	return &n
}

func (p *flagParser) size(name string) *int64 {
	if p.flag(name) == "" {
		return nil
	}
	n, ok := parseSize(p.flag(name))
	if !ok {
		p.fail(name, "a size in bytes such as 1048576, 512k or 1.5G, or -1 for no limit")
	}
	return &n
}

// parseSize parses a number of bytes followed by a binary unit, as in runc and Docker:
// 1024, 1024b, 1k, 1.5 MiB, 2GB. -1 means unlimited.
func parseSize(s string) (int64, bool) {
	if s == "-1" {
		return -1, true
	}
	digits := strings.TrimRight(s, "bBiIkKmMgGtTpP ")
	unit := strings.ToLower(strings.TrimPrefix(s[len(digits):], " "))
	shift := 0
	if unit != "" && unit != "b" {
		shift = 10 * (1 + strings.IndexByte("kmgtp", unit[0]))
		if rest := unit[1:]; shift == 0 || rest != "" && rest != "b" && rest != "ib" && rest != "i" {
			return 0, false
		}
	}
	if digits == "" || strings.Trim(digits, "0123456789.") != "" {
		return 0, false
	}
	if n, err := strconv.ParseInt(digits, 10, 64); err == nil {
		return n << shift, n <= math.MaxInt64>>shift
	}
	f, err := strconv.ParseFloat(digits, 64)
	f *= float64(int64(1) << shift)
	return int64(f), err == nil && f < math.MaxInt64
}
