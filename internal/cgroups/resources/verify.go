package resources

import (
	"slices"
	"strconv"
	"strings"

	"github.com/minirun/minirun/internal/spec"
)

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

// matches compares the requested value with what the kernel shows. pageSize is in bytes.
func (v *Value) matches(got string, pageSize uint64) bool {
	want := strings.Join(strings.Fields(v.Value), " ")
	switch v.Verify {
	case VerifyNone:
		return true
	case VerifyBytes:
		if v.Unit != 0 {
			pageSize = v.Unit
		}
		w, ok1 := parseBytes(want)
		g, ok2 := parseBytes(strings.TrimSpace(got))
		return ok1 && ok2 && (w/pageSize == g/pageSize || w >= unlimited && g >= unlimited)
	case VerifyList:
		return slices.Equal(spec.ListMask(want), spec.ListMask(strings.TrimSpace(got)))
	case VerifyPrefix:
		words := strings.Fields(got)
		n := strings.Count(want, " ") + 1
		return len(words) >= n && strings.Join(words[:n], " ") == want
	case VerifyDefault:
		first, _, _ := strings.Cut(strings.TrimSpace(got), "\n")
		return strings.TrimPrefix(first, "default ") == want
	case VerifyLine:
		return hasLine(got, strings.Fields(v.Value))
	case VerifyOOM:
		return strings.Contains("\n"+got, "\noom_kill_disable "+want+"\n")
	case VerifyDevices:
		return equalLines(v.Value, got)
	}
	return strings.TrimSpace(got) == want
}

// hasLine looks for the line of words[0] (a device, an interface) with the other words.
func hasLine(text string, words []string) bool {
	if len(words) < 2 {
		return false
	}
	omittable := true // every value is one that is not shown
	for _, w := range words[1:] {
		if i := strings.IndexByte(w, '='); i >= 0 {
			w = w[i+1:]
		}
		omittable = omittable && (w == "0" || w == "max")
	}
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] != words[0] {
			continue
		}
		for _, w := range words[1:] {
			if !slices.Contains(fields[1:], w) {
				return false
			}
		}
		return true
	}
	return omittable
}

func equalLines(a, b string) bool {
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
// or T; "max" and -1 mean that there is no limit.
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
