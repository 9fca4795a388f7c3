package options

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/go-units"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/build/graph"
)

// A LimitFlags has the values of docker's flags that limit RUN.
type LimitFlags struct {
	Ulimits, Resources    []string
	ShmSize, CgroupParent string
}

// Parse parses the values.
func (f LimitFlags) Parse() (l graph.Limits, err error) {
	for _, text := range f.Ulimits {
		limit, err := rlimit(text)
		if err != nil {
			return l, err
		}
		// The last limit with the same name applies, as in docker.
		l.Rlimits = slices.DeleteFunc(l.Rlimits, func(o specs.POSIXRlimit) bool { return o.Type == limit.Type })
		l.Rlimits = append(l.Rlimits, limit)
	}
	slices.SortFunc(l.Rlimits, func(a, b specs.POSIXRlimit) int { return cmp.Compare(a.Type, b.Type) })
	if f.ShmSize != "" {
		if l.ShmSize, err = units.RAMInBytes(f.ShmSize); err != nil || l.ShmSize <= 0 {
			return l, fmt.Errorf("--shm-size %q: must be a size above zero, such as 128m", f.ShmSize)
		}
	}
	l.CgroupParent = f.CgroupParent
	l.Resources, err = resources(f.Resources)
	return l, err
}

// resources parses --resource KEY=VALUE. It returns nil if there are none.
func resources(list []string) (*specs.LinuxResources, error) {
	if len(list) == 0 {
		return nil, nil
	}
	r := &specs.LinuxResources{}
	for _, text := range list {
		key, value, ok := strings.Cut(text, "=")
		if !ok || value == "" {
			return nil, fmt.Errorf("--resource %q: must be KEY=VALUE", text)
		}
		if err := setResource(r, key, value); err != nil {
			return nil, fmt.Errorf("--resource %q: %w", text, err)
		}
	}
	return r, nil
}

func setResource(r *specs.LinuxResources, key, value string) (err error) {
	if strings.HasPrefix(key, "cpu") && r.CPU == nil {
		r.CPU = &specs.LinuxCPU{}
	}
	if strings.HasPrefix(key, "memory") && r.Memory == nil {
		r.Memory = &specs.LinuxMemory{}
	}
	switch key {
	case "memory":
		r.Memory.Limit, err = memorySize(value, false)
	case "memory-swap":
		r.Memory.Swap, err = memorySize(value, true)
	case "cpu-shares":
		r.CPU.Shares, err = wholeNumber[uint64](value)
	case "cpu-period":
		r.CPU.Period, err = wholeNumber[uint64](value)
	case "cpu-quota":
		r.CPU.Quota, err = wholeNumber[int64](value)
	case "cpuset-cpus":
		r.CPU.Cpus = value
	case "cpuset-mems":
		r.CPU.Mems = value
	default:
		return fmt.Errorf("unknown key %q: must be memory, memory-swap, cpu-shares, cpu-period, cpu-quota, "+
			"cpuset-cpus or cpuset-mems", key)
	}
	return err
}

// memorySize parses a size above zero, or -1 for unlimited if that is allowed.
func memorySize(text string, unlimited bool) (*int64, error) {
	n, err := units.RAMInBytes(text)
	if text == "-1" && unlimited {
		n, err = -1, nil
	} else if err == nil && n <= 0 {
		err = errors.New("must be above zero")
	}
	if err != nil {
		return nil, fmt.Errorf("%q must be a size, such as 512m: %w", text, err)
	}
	return &n, nil
}

// wholeNumber parses a number above zero.
func wholeNumber[N int64 | uint64](text string) (*N, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 {
		return nil, fmt.Errorf("%q must be a number above zero", text)
	}
	out := N(n)
	return &out, nil
}

func rlimit(text string) (l specs.POSIXRlimit, err error) {
	u, err := units.ParseUlimit(text)
	if err != nil {
		return l, fmt.Errorf("--ulimit %q: %w", text, err)
	}
	if u.Soft < -1 || u.Hard < -1 {
		return l, fmt.Errorf("--ulimit %q: must be -1 (unlimited) or higher", text)
	}
	// -1 converted to an unsigned number is RLIM_INFINITY.
	l = specs.POSIXRlimit{Type: "RLIMIT_" + strings.ToUpper(u.Name), Soft: uint64(u.Soft), Hard: uint64(u.Hard)}
	if l.Soft > l.Hard && l.Hard != math.MaxUint64 {
		return l, fmt.Errorf("--ulimit %q: the soft limit must not be above the hard one", text)
	}
	return l, nil
}
