package spec

// This file parses lists of CPUs and memory nodes such as "0-3,7".

import (
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Range is a range of CPUs or memory nodes, both ends included.
type Range struct{ First, Last int }

// MaxListed is above the number of any CPU (8191) or node (1023) of Linux.
const MaxListed = 1<<16 - 1

// ParseList parses a list of CPUs or memory nodes as in process.execCPUAffinity,
// linux.resources.cpu and linux.memoryPolicy: numbers and ranges, separated by commas.
// Like the kernel (cpuset(7), "List format"), it ignores surrounding spaces and commas
// without a number, but the list must name something.
func ParseList(list string) (ranges []Range, ok bool) {
	for part := range strings.SplitSeq(list, ",") {
		if part = strings.Trim(part, " "); part == "" {
			continue
		}
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		a, errA := strconv.ParseUint(first, 10, 32)
		b, errB := strconv.ParseUint(last, 10, 32)
		if errA != nil || errB != nil || b < a || b > MaxListed {
			return nil, false
		}
		ranges = append(ranges, Range{int(a), int(b)})
	}
	return ranges, len(ranges) > 0
}

// ListMask returns a validated list as a bit mask that is wide enough for its largest
// element, nil for an empty list. [unix.CPUSet] would drop CPUs above 1023.
func ListMask(list string) unix.CPUSetDynamic {
	ranges, ok := ParseList(list)
	if !ok {
		return nil
	}
	last := 0
	for _, r := range ranges {
		last = max(last, r.Last)
	}
	mask := unix.NewCPUSet(last + 1)
	for _, r := range ranges {
		for n := r.First; n <= r.Last; n++ {
			mask.Set(n)
		}
	}
	return mask
}

// checkList checks a list; what describes its elements in the message.
func checkList(p *problems, path, list, what string) {
	if _, ok := ParseList(list); !ok {
		p.Bad(path, "must be a list of "+what+" numbers such as 0-3,7", quote(list))
	}
}
