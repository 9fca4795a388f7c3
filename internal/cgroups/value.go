// This file defines Value, one write to a cgroup, and the comparison of what was
// requested with what the kernel reports (pure).

package cgroups

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Value is one thing to write to a file of the container's cgroup.
type Value struct {
	// Controller names the hierarchy: "memory", "cpu"…; "" is the v2 tree
	// itself (files that belong to no controller).
	Controller string `json:"controller"`
	// V2 means that the file is in the v2 tree rather than a v1 hierarchy.
	V2 bool `json:"v2,omitempty"`
	// File is the file's name, e.g. "memory.limit_in_bytes".
	File string `json:"file"`
	// Value is written in one write(2).
	Value string `json:"value"`
	// Source is the JSON path that requested it, e.g. linux.resources.memory.limit.
	Source string `json:"source"`
	// Verify is how the file, read back, is compared with Value.
	Verify Verify `json:"verify,omitempty"`
	// Unit is what VerifyBytes rounds down to, in bytes; 0 is a page.
	Unit uint64 `json:"unit,omitempty"`
	// Late values would prevent the runtime from forking into the cgroup (a pids limit
	// of 1); [Group.ApplyLate] writes them once the process is in it.
	Late bool `json:"late,omitempty"`
	// Or is written instead if the kernel has no such file; it is another name for the
	// same thing (blkio.weight, blkio.bfq.weight). With VerifyDevices it is written if
	// the list does not match Value yet.
	Or *Value `json:"or,omitempty"`
	// Optional: a missing file is not an error, since the kernel already behaves as
	// requested.
	Optional bool `json:"optional,omitempty"`
	// SwapNext: the kernel may accept this value only after the next one
	// (memory limit and memory+swap limit, when both are raised).
	SwapNext bool `json:"swapNext,omitempty"`
	// Ceiling is a file whose number must not be above Value
	// (memory.checkBeforeUpdate); "" means no such check.
	Ceiling string `json:"ceiling,omitempty"`
	// Program is a device program (v2 has no device files); File is then
	// [DeviceProgram] and Value the rules in the syntax of devices.list.
	Program []Insn `json:"-"`
}

// Verify is how a value read back is compared with the one written.
type Verify int

const (
	// VerifyText: equal except for surrounding white space.
	VerifyText Verify = iota
	// VerifyBytes: equal as numbers of bytes, rounded down to pages as the kernel
	// does; -1, "max" and the v1 maximum are equal.
	VerifyBytes
	// VerifyList: equal as sets of CPUs or memory nodes ("0-1" is "0,1").
	VerifyList
	// VerifyPrefix: the file begins with the words of Value (cpu.max appends its old
	// period).
	VerifyPrefix
	// VerifyDefault: the file's first line, with or without a leading "default".
	VerifyDefault
	// VerifyLine: the file has a line per device or interface; the line with the first
	// word of Value has its remaining words. A limit of 0 or max may also be shown by
	// omitting the line.
	VerifyLine
	// VerifyOOM: memory.oom_control, "oom_kill_disable N".
	VerifyOOM
	// VerifyDevices: devices.list has exactly the rules of Value, one per line.
	// Nothing is written.
	VerifyDevices
	// VerifyNone: the file cannot be read, or its content is meaningless.
	VerifyNone
)

// holds compares the requested value with what the kernel shows.
func (v *Value) holds(got string, page uint64) bool {
	want := strings.Join(strings.Fields(v.Value), " ")
	switch v.Verify {
	case VerifyNone:
		return true
	case VerifyBytes:
		if v.Unit != 0 {
			page = v.Unit
		}
		w, ok1 := parseBytes(want)
		g, ok2 := parseBytes(strings.TrimSpace(got))
		return ok1 && ok2 && (w/page == g/page || w >= unlimited && g >= unlimited)
	case VerifyList:
		w, ok1 := parseList(want)
		g, ok2 := parseList(strings.TrimSpace(got))
		return ok1 && ok2 && maps.Equal(w, g)
	case VerifyPrefix:
		words := strings.Fields(got)
		n := strings.Count(want, " ") + 1
		return len(words) >= n && strings.Join(words[:n], " ") == want
	case VerifyDefault:
		first, _, _ := strings.Cut(strings.TrimSpace(got), "\n")
		return strings.TrimPrefix(first, "default ") == want
	case VerifyLine:
		return lineHolds(strings.Fields(v.Value), got)
	case VerifyOOM:
		return strings.Contains("\n"+got, "\noom_kill_disable "+want+"\n")
	case VerifyDevices:
		return sameLines(v.Value, got)
	}
	return strings.TrimSpace(got) == want
}

// lineHolds looks for the line of words[0] (a device, an interface).
func lineHolds(words []string, got string) bool {
	if len(words) < 2 {
		return false
	}
	none := true // every value is the one that is not shown
	for _, w := range words[1:] {
		if i := strings.IndexByte(w, '='); i >= 0 {
			w = w[i+1:]
		}
		none = none && (w == "0" || w == "max")
	}
	for line := range strings.Lines(got) {
		has := strings.Fields(line)
		if len(has) == 0 || has[0] != words[0] {
			continue
		}
		for _, w := range words[1:] {
			if !slices.Contains(has[1:], w) {
				return false
			}
		}
		return true
	}
	return none
}

func sameLines(a, b string) bool {
	sorted := func(s string) []string {
		l := strings.Split(strings.TrimSpace(s), "\n")
		slices.Sort(l)
		return l
	}
	return slices.Equal(sorted(a), sorted(b))
}

// unlimited: a number this large means no limit. The kernel shows its largest count of
// pages, 9223372036854771712 bytes with 4 KiB pages and v1, less when rounded to huge
// pages.
const unlimited = 1 << 62

// parseBytes parses a size as the kernel's memparse does: decimal, followed by K, M, G
// or T; "max" and -1 are no limit.
func parseBytes(s string) (n uint64, ok bool) {
	if s == "max" || s == "-1" {
		return unlimited, true
	}
	shift := 0
	if len(s) > 1 {
		if i := strings.IndexByte("KMGT", s[len(s)-1]&^0x20); i >= 0 {
			shift, s = 10*(i+1), s[:len(s)-1]
		}
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n<<shift>>shift != n {
		return 0, false
	}
	return n << shift, true
}

// parseList parses "0-3,7". The bound keeps a typing error from consuming memory.
func parseList(s string) (set map[int]bool, ok bool) {
	const most = 1 << 16
	set = make(map[int]bool)
	for part := range strings.SplitSeq(s, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		from, to, isRange := strings.Cut(part, "-")
		lo, err := strconv.ParseUint(from, 10, 16)
		if err != nil {
			return nil, false
		}
		hi := lo
		if isRange {
			if hi, err = strconv.ParseUint(to, 10, 16); err != nil {
				return nil, false
			}
		}
		if lo > hi || hi >= most {
			return nil, false
		}
		for i := lo; i <= hi; i++ {
			set[int(i)] = true
		}
	}
	return set, true
}
