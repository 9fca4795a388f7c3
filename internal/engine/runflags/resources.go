package runflags

import (
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/spec"
)

// resources returns the limits of the cgroup, without devices.
func (r *reader) resources() specs.LinuxResources {
	out := specs.LinuxResources{Memory: r.memory(), CPU: r.cpu(), BlockIO: r.blockIO()}
	if n := r.number("pids-limit", -1, math.MaxInt32); n != nil && *n > 0 {
		limit := int64(*n)
		out.Pids = &specs.LinuxPids{Limit: &limit}
	}
	if r.err == nil {
		r.err = spec.ValidateResources(&out, "flags")
	}
	return out
}

func (r *reader) memory() *specs.LinuxMemory {
	if !r.given("memory", "memory-swap", "memory-reservation", "memory-swappiness", "oom-kill-disable") {
		return nil
	}
	m := &specs.LinuxMemory{Limit: r.sizeOrUnlimited("memory"), Swap: r.sizeOrUnlimited("memory-swap")}
	if n := r.size("memory-reservation"); n != 0 {
		m.Reservation = &n
	}
	if n := r.number("memory-swappiness", 0, 100); n != nil {
		value := uint64(*n)
		m.Swappiness = &value
	}
	if r.ctx.Bool("oom-kill-disable") {
		m.DisableOOMKiller = new(bool)
		*m.DisableOOMKiller = true
	}
	switch {
	case r.err != nil:
	case m.Swap != nil && m.Limit == nil:
		r.err = errors.New("--memory-swap: needs --memory, because it is the sum of memory and swap")
	case m.Swap != nil && *m.Swap != -1 && *m.Swap < *m.Limit:
		r.err = fmt.Errorf("--memory-swap %q: must not be less than --memory, because it is the sum of memory and swap",
			r.ctx.String("memory-swap"))
	case m.Reservation != nil && m.Limit != nil && *m.Limit != -1 && *m.Reservation > *m.Limit:
		r.err = fmt.Errorf("--memory-reservation %q: must not be more than --memory", r.ctx.String("memory-reservation"))
	case m.DisableOOMKiller != nil && m.Limit == nil:
		r.err = errors.New("--oom-kill-disable: needs --memory: without a limit the host would run out of memory")
	}
	return m
}

func (r *reader) cpu() *specs.LinuxCPU {
	if !r.given("cpus", "cpu-shares", "cpu-period", "cpu-quota", "cpu-rt-period", "cpu-rt-runtime", "cpuset-cpus",
		"cpuset-mems") {
		return nil
	}
	c := &specs.LinuxCPU{Cpus: r.text("cpuset-cpus"), Mems: r.text("cpuset-mems"), Shares: r.unsigned("cpu-shares", 2),
		Period: r.unsigned("cpu-period", 1000), RealtimePeriod: r.unsigned("cpu-rt-period", 1)}
	if n := r.number("cpu-quota", -1, math.MaxInt32); n != nil {
		quota := int64(*n)
		c.Quota = &quota
	}
	if n := r.number("cpu-rt-runtime", -1, math.MaxInt32); n != nil {
		runtime := int64(*n)
		c.RealtimeRuntime = &runtime
	}
	for _, flag := range [...]string{"cpuset-cpus", "cpuset-mems"} {
		if value := r.ctx.String(flag); !isSet(value) {
			r.fail(flag, value, "must be numbers and ranges, such as 0-2,7")
		}
	}
	if given := r.text("cpus"); given != "" {
		const period = 100_000 // µs
		n, err := strconv.ParseFloat(given, 64)
		if err != nil || !(n >= 0.01) || n > math.MaxInt32 {
			r.fail("cpus", given, "must be a number, 0.01 or more")
		}
		if r.given("cpu-quota", "cpu-period") {
			r.fail("cpus", given, "cannot be combined with --cpu-quota or --cpu-period, which it sets")
		}
		quota, p := int64(n*period), uint64(period)
		c.Quota, c.Period = &quota, &p
	}
	return c
}

// isSet reports whether a text is a set of numbers, such as 0-2,7, or empty.
func isSet(text string) bool {
	if text == "" {
		return true
	}
	for part := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(part, "-")
		a, err := strconv.ParseUint(first, 10, 16)
		if err != nil {
			return false
		}
		if !isRange {
			continue
		}
		if b, err := strconv.ParseUint(last, 10, 16); err != nil || b < a {
			return false
		}
	}
	return true
}

func (r *reader) unsigned(flag string, least int) *uint64 {
	n := r.number(flag, least, math.MaxInt32)
	if n == nil {
		return nil
	}
	value := uint64(*n)
	return &value
}

func (r *reader) blockIO() *specs.LinuxBlockIO {
	if !r.given("blkio-weight", "blkio-weight-device", "device-read-bps", "device-write-bps", "device-read-iops",
		"device-write-iops") {
		return nil
	}
	b := &specs.LinuxBlockIO{
		ThrottleReadBpsDevice:   r.throttles("device-read-bps", bytes),
		ThrottleWriteBpsDevice:  r.throttles("device-write-bps", bytes),
		ThrottleReadIOPSDevice:  r.throttles("device-read-iops", count),
		ThrottleWriteIOPSDevice: r.throttles("device-write-iops", count),
	}
	if n := r.number("blkio-weight", 10, 1000); n != nil {
		weight := uint16(*n)
		b.Weight = &weight
	}
	for _, text := range r.list("blkio-weight-device") {
		path, value, _ := cutLast(text)
		number, err := r.deviceNumber(path)
		n, ok := count(value)
		if err != nil || !ok || n < 10 || n > 1000 {
			r.fail("blkio-weight-device", text, "must be DEVICE:WEIGHT, from 10 to 1000%s", cause(err))
		}
		weight := uint16(n)
		d := specs.LinuxWeightDevice{Weight: &weight}
		d.Major, d.Minor = int64(unix.Major(number)), int64(unix.Minor(number))
		b.WeightDevice = append(b.WeightDevice, d)
	}
	return b
}

func (r *reader) throttles(flag string, parse func(string) (int64, bool)) (out []specs.LinuxThrottleDevice) {
	for _, text := range r.list(flag) {
		path, value, _ := cutLast(text)
		number, err := r.deviceNumber(path)
		rate, ok := parse(value)
		if err != nil || !ok {
			r.fail(flag, text, "must be DEVICE:RATE%s", cause(err))
		}
		d := specs.LinuxThrottleDevice{Rate: uint64(rate)}
		d.Major, d.Minor = int64(unix.Major(number)), int64(unix.Minor(number))
		out = append(out, d)
	}
	return out
}

func cause(err error) string {
	if err == nil {
		return ""
	}
	return ": " + err.Error()
}

// cutLast splits DEVICE:VALUE at the last colon.
func cutLast(text string) (path, value string, ok bool) {
	at := strings.LastIndexByte(text, ':')
	if at < 0 {
		return text, "", false
	}
	return text[:at], text[at+1:], true
}

func count(text string) (int64, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil && n > 0
}

// deviceNumber returns the number of a block device.
func (r *reader) deviceNumber(path string) (uint64, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return 0, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFBLK {
		return 0, fmt.Errorf("%s is not a block device", path)
	}
	return st.Rdev, nil
}

// rlimitNames are Docker's names of limits.
var rlimitNames = [...]string{"core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc",
	"rss", "rtprio", "rttime", "sigpending", "stack"}

func (r *reader) rlimits() (out []specs.POSIXRlimit) {
	for _, text := range r.list("ulimit") {
		name, values, _ := strings.Cut(text, "=")
		if !slices.Contains(rlimitNames[:], name) {
			r.fail("ulimit", text, "unknown limit %q: must be one of %s", name, strings.Join(rlimitNames[:], ", "))
			continue
		}
		soft, hard, two := strings.Cut(values, ":")
		if !two {
			hard = soft
		}
		l := specs.POSIXRlimit{Type: "RLIMIT_" + strings.ToUpper(name)}
		var ok, okHard bool
		l.Soft, ok = rlimit(soft)
		l.Hard, okHard = rlimit(hard)
		switch {
		case !ok || !okHard:
			r.fail("ulimit", text, "must be NAME=SOFT[:HARD], numbers or -1 for no limit")
		case l.Soft > l.Hard:
			r.fail("ulimit", text, "the soft limit must not be more than the hard limit")
		}
		out = slices.DeleteFunc(out, func(o specs.POSIXRlimit) bool { return o.Type == l.Type }) // the last one counts
		out = append(out, l)
	}
	return out
}

func rlimit(text string) (uint64, bool) {
	if text == "-1" || text == "unlimited" {
		return unix.RLIM_INFINITY, true
	}
	n, err := strconv.ParseUint(text, 10, 63)
	return n, err == nil
}
