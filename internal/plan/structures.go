package plan

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/capability"
)

// This file shows the structures that arguments point to.

// structureText shows a structure; word returns its 64-bit words.
func structureText(word func(uint64) uint64, sh shape) string {
	low := func(i uint64) uint32 { return uint32(word(i)) }
	high := func(i uint64) uint32 { return uint32(word(i) >> 32) }
	switch sh {
	case capabilityHeader: // struct __user_cap_header_struct
		if low(0) == unix.LINUX_CAPABILITY_VERSION_3 {
			return fmt.Sprintf("{version=_LINUX_CAPABILITY_VERSION_3, pid=%d}", high(0))
		}
	case capabilities: // struct __user_cap_data_struct[2]: the lower halves, then the upper
		both := func(low, high uint32) string { return capabilitySet(uint64(low) | uint64(high)<<32) }
		return fmt.Sprintf("{effective=%s, permitted=%s, inheritable=%s}",
			both(low(0), high(1)), both(high(0), low(2)), both(low(1), high(2)))
	case seccompProgram: // struct sock_fprog
		return fmt.Sprintf("{len=%d, filter=...}", word(0)&0xffff)
	case schedAttr: // struct sched_attr
		return schedAttrText(word)
	case pollDescriptors: // one struct pollfd
		return fmt.Sprintf("[{fd=%d, events=%s}]", int32(low(0)), joinFlags(uint64(high(0)&0xffff),
			[]bit{{unix.POLLIN, "POLLIN"}, {unix.POLLOUT, "POLLOUT"}}))
	case timespec:
		return fmt.Sprintf("{tv_sec=%d, tv_nsec=%d}", int64(word(0)), word(1))
	}
	return "..."
}

func schedAttrText(word func(uint64) uint64) string {
	fields := []string{"sched_policy=" + valueOf(word(0)>>32, schedulerNames)}
	if word(1) != 0 {
		fields = append(fields, "sched_flags="+joinFlags(word(1), schedulerFlagNames))
	}
	for _, f := range []struct {
		name  string
		value int64
	}{
		{"nice", int64(int32(word(2)))}, {"priority", int64(word(2) >> 32)},
		{"runtime", int64(word(3))}, {"deadline", int64(word(4))}, {"period", int64(word(5))},
	} {
		if f.value != 0 {
			fields = append(fields, fmt.Sprintf("sched_%s=%d", f.name, f.value))
		}
	}
	return "{" + strings.Join(fields, ", ") + "}"
}

// capabilitySet lists the capabilities of a set, or those it lacks if they are few.
func capabilitySet(set uint64) string {
	var has, lacks []string
	for n := range uint64(64) {
		switch {
		case set&(1<<n) != 0:
			has = append(has, capabilityName(n))
		case n < uint64(len(capability.Names)):
			lacks = append(lacks, capabilityName(n))
		}
	}
	switch {
	case len(has) == 0:
		return "0"
	case len(lacks) == 0:
		return "all"
	case len(lacks) <= 4:
		return "all but " + strings.Join(lacks, "|")
	}
	return strings.Join(has, "|")
}

func capabilityName(n uint64) string {
	if n < uint64(len(capability.Names)) {
		return capability.Names[n]
	}
	return "CAP_" + strconv.FormatUint(n, 10)
}

// bitmaskText shows a set of CPUs or NUMA nodes as ranges: [0-3,7].
func (p *Plan) bitmaskText(s *Step, a Arg) string {
	bits := uint64(0)
	switch s.Call {
	case SchedSetaffinity:
		bits = 8 * s.Args[1].Value
	case SetMempolicy:
		bits = max(s.Args[2].Value, 1) - 1
	}
	data := p.dataAt(a.Value)
	if bits > 8*uint64(len(data)) {
		return "..."
	}
	has := func(n uint64) bool { return n < bits && binary.LittleEndian.Uint64(data[n/64*8:])>>(n%64)&1 != 0 }
	if bits%64 != 0 {
		return "..."
	}
	var ranges []string
	for n := uint64(0); n < bits; n++ {
		if !has(n) {
			continue
		}
		first := n
		for has(n + 1) {
			n++
		}
		text := strconv.FormatUint(first, 10)
		if n > first {
			text += "-" + strconv.FormatUint(n, 10)
		}
		ranges = append(ranges, text)
	}
	return "[" + strings.Join(ranges, ",") + "]"
}
