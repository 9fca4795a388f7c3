package resctrl

// This file compares lines of a schemata file. It has no side effects.

import (
	"strconv"
	"strings"
)

// findMissing returns the first line that a schemata file does not have, or "". The kernel
// pads its output, so values are compared as numbers. A line may omit domains, which
// may then have any value.
func findMissing(wanted []string, file string) string {
	have := map[string]map[string]string{}
	for line := range strings.Lines(file) {
		if resource, domains, ok := parseLine(line); ok {
			have[resource] = domains
		}
	}
	for _, line := range wanted {
		resource, domains, ok := parseLine(line)
		if !ok || have[resource] == nil {
			return line
		}
		for id, value := range domains {
			if !equalValues(resource, value, have[resource][id]) {
				return line
			}
		}
	}
	return ""
}

// parseLine parses a line such as L3:0=7f0;1=1f.
func parseLine(line string) (resource string, domains map[string]string, ok bool) {
	resource, list, ok := strings.Cut(strings.TrimSpace(line), ":")
	if !ok {
		return "", nil, false
	}
	domains = map[string]string{}
	for domain := range strings.SplitSeq(strings.Trim(list, ";"), ";") {
		id, value, ok := strings.Cut(domain, "=")
		if !ok {
			return "", nil, false
		}
		domains[strings.TrimSpace(id)] = strings.TrimSpace(value)
	}
	return strings.TrimSpace(resource), domains, true
}

// equalValues compares a value of a domain: a share of bandwidth is decimal, a bit mask
// of a cache hexadecimal.
func equalValues(resource, a, b string) bool {
	base := 16
	if strings.HasSuffix(resource, "MB") || resource == "MBA" || resource == "SMBA" {
		base = 10
	}
	x, errX := strconv.ParseUint(strings.TrimPrefix(a, "0x"), base, 64)
	y, errY := strconv.ParseUint(strings.TrimPrefix(b, "0x"), base, 64)
	return errX == nil && errY == nil && x == y
}
