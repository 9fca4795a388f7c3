package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/docker/go-units"
	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/build/graph"
)

// stepLimits reads --ulimit and --shm-size, which are docker's.
func stepLimits(ctx *cli.Context) (l graph.Limits, err error) {
	for _, text := range ctx.StringSlice("ulimit") {
		limit, err := rlimit(text)
		if err != nil {
			return l, err
		}
		// The last one of a name counts, as with docker.
		l.Rlimits = slices.DeleteFunc(l.Rlimits, func(o specs.POSIXRlimit) bool { return o.Type == limit.Type })
		l.Rlimits = append(l.Rlimits, limit)
	}
	slices.SortFunc(l.Rlimits, func(a, b specs.POSIXRlimit) int { return cmp.Compare(a.Type, b.Type) })
	if text := ctx.String("shm-size"); text != "" {
		if l.ShmSize, err = units.RAMInBytes(text); err != nil || l.ShmSize <= 0 {
			return l, fmt.Errorf("--shm-size %q: must be a size above zero, such as 128m", text)
		}
	}
	return l, nil
}

func rlimit(text string) (l specs.POSIXRlimit, err error) {
	u, err := units.ParseUlimit(text)
	if err != nil {
		return l, fmt.Errorf("--ulimit %q: %w", text, err)
	}
	if u.Soft < -1 || u.Hard < -1 {
		return l, fmt.Errorf("--ulimit %q: must be -1 (unlimited) or higher", text)
	}
	// As an unsigned number, -1 is RLIM_INFINITY.
	l = specs.POSIXRlimit{Type: "RLIMIT_" + strings.ToUpper(u.Name), Soft: uint64(u.Soft), Hard: uint64(u.Hard)}
	if l.Soft > l.Hard && l.Hard != math.MaxUint64 {
		return l, fmt.Errorf("--ulimit %q: the soft limit must not be above the hard one", text)
	}
	return l, nil
}
