package inspect

import (
	"strconv"
	"strings"

	"github.com/minirun/minirun/internal/spec"
)

// Capabilities decodes a set of /proc/PID/status: "(none)", "(all but
// CAP_SYS_RESOURCE)", "(CAP_KILL CAP_AUDIT_WRITE)".
func Capabilities(hex string) string {
	set, err := strconv.ParseUint(hex, 16, 64)
	if err != nil {
		return ""
	}
	var has, lacks []string
	for n, name := range spec.CapabilityNames() {
		if set&(1<<n) != 0 {
			has = append(has, name)
		} else {
			lacks = append(lacks, name)
		}
	}
	switch {
	case len(has) == 0:
		return "(none)"
	case len(lacks) == 0:
		return "(all)"
	case len(lacks) <= 4:
		return "(all but " + strings.Join(lacks, " ") + ")"
	}
	return "(" + strings.Join(has, " ") + ")"
}
