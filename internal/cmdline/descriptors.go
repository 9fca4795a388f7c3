package cmdline

import (
	"slices"
	"strconv"
	"strings"
)

// Descriptors returns the descriptors from 3 on that arguments name as files: an
// argument, or one value in it, is /dev/fd/N. This is what a shell substitutes for
// <(command).
func Descriptors(args []string) (out []int) {
	for _, a := range args {
		for part := range strings.SplitSeq(a, ",") {
			_, value, ok := strings.Cut(part, "=")
			if !ok {
				value = part
			}
			number, ok := strings.CutPrefix(value, "/dev/fd/")
			if !ok {
				number, ok = strings.CutPrefix(value, "/proc/self/fd/")
			}
			n, err := strconv.ParseUint(number, 10, 31)
			if fd := int(n); ok && err == nil && fd > 2 && !slices.Contains(out, fd) {
				out = append(out, fd)
			}
		}
	}
	return out
}
