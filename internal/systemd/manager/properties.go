// Package manager talks to systemd, for the program minirun-systemd.
//
//	manager.go     the D-Bus calls
//	properties.go  limits and annotations as properties of the unit (pure)
package manager

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	bus "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"

	"github.com/minirun/minirun/internal/cgroups/resources"
	"github.com/minirun/minirun/internal/spec"
	"github.com/minirun/minirun/internal/systemd"
)

// A Property is a property of a unit.
type Property = bus.Property

func newProperty(name string, value any) Property {
	return Property{Name: name, Value: dbus.MakeVariant(value)}
}

// Properties returns the properties that a container's unit is started with: systemd
// leaves its cgroup to the container (Delegate), and nothing is set that was not
// requested.
func Properties(r *systemd.Request) ([]Property, error) {
	p := []Property{
		newProperty("Description", "minirun container "+r.ID),
		newProperty("Slice", r.Unit.Slice),
		newProperty("PIDs", []uint32{uint32(r.Pid)}),
		newProperty("Delegate", true),
		// systemd would stop the container early during shutdown, and order it after
		// units that it does not need.
		newProperty("DefaultDependencies", false),
		// A scope whose process was killed by the OOM killer would stay in the failed
		// state and occupy its name.
		newProperty("CollectMode", "inactive-or-failed"),
		newProperty("MemoryAccounting", true), newProperty("CPUAccounting", true),
		newProperty("IOAccounting", true), newProperty("TasksAccounting", true),
	}
	limits := Limits(r.Values)
	if !slices.ContainsFunc(limits, func(l Property) bool { return l.Name == "TasksMax" }) {
		limits = append(limits, newProperty("TasksMax", uint64(math.MaxUint64))) // overrides systemd's default limit
	}
	requested, err := annotationProperties(r.Annotations)
	if err != nil {
		return nil, err
	}
	p = append(p, limits...)
	for _, o := range requested {
		p = slices.DeleteFunc(p, func(q Property) bool { return q.Name == o.Name })
		p = append(p, o)
	}
	return p, nil
}

// Limits returns the values of a cgroup for which systemd has a property.
func Limits(values []resources.Value) (out []Property) {
	for i := range values {
		v := &values[i]
		if !v.V2 {
			continue
		}
		if name, ok := bytesProperty[v.File]; ok {
			if n, ok := parseLimit(v.Value); ok {
				out = append(out, newProperty(name, n))
			}
			continue
		}
		switch v.File {
		case "cpu.max":
			out = append(out, quotaProperties(v.Value)...)
		case "cpuset.cpus":
			out = append(out, maskProperty("AllowedCPUs", v.Value)...)
		case "cpuset.mems":
			out = append(out, maskProperty("AllowedMemoryNodes", v.Value)...)
		}
	}
	return out
}

// bytesProperty maps files to the properties whose value is the file's number.
var bytesProperty = map[string]string{
	"memory.min": "MemoryMin", "memory.low": "MemoryLow", "memory.high": "MemoryHigh", "memory.max": "MemoryMax",
	"memory.swap.max": "MemorySwapMax", "pids.max": "TasksMax", "cpu.weight": "CPUWeight", "io.weight": "IOWeight",
}

// parseLimit parses the value of a cgroup file; no limit is the largest number, which
// systemd calls infinity.
func parseLimit(s string) (uint64, bool) {
	s = strings.TrimPrefix(strings.TrimSpace(s), "default ")
	if s == "max" || s == "-1" {
		return math.MaxUint64, true
	}
	n, err := strconv.ParseUint(s, 10, 64)
	return n, err == nil
}

// quotaProperties converts "20000 50000" of cpu.max to processor time per second. systemd rounds
// it up to hundredths of a processor; the file, which minirun writes afterwards, is
// exact.
func quotaProperties(s string) []Property {
	const second, step = 1_000_000, 10_000
	limit, period, _ := strings.Cut(s, " ")
	n, ok := parseLimit(limit)
	if !ok {
		return nil
	}
	var out []Property
	p := uint64(100_000)
	if given, err := strconv.ParseUint(period, 10, 64); err == nil && given > 0 {
		p = given
		out = append(out, newProperty("CPUQuotaPeriodUSec", p))
	}
	if n != math.MaxUint64 {
		n = (n*second/p + step - 1) / step * step
	}
	return append(out, newProperty("CPUQuotaPerSecUSec", n))
}

// maskProperty converts a list such as "0-3,7" to bits, the lowest in the first byte.
func maskProperty(name, list string) []Property {
	ranges, ok := spec.ParseList(list)
	if !ok {
		return nil
	}
	var bits []byte
	for _, r := range ranges {
		for n := r.First; n <= r.Last; n++ {
			for len(bits) <= n/8 {
				bits = append(bits, 0)
			}
			bits[n/8] |= 1 << (n % 8)
		}
	}
	return []Property{newProperty(name, bits)}
}

// Prefix begins an annotation that sets a property: its value is in GVariant text
// format, such as "uint64 5" or "'kill'", as for runc and crun.
const Prefix = "org.systemd.property."

// annotationProperties returns the properties that annotations request.
func annotationProperties(annotations map[string]string) (out []Property, err error) {
	for _, key := range slices.Sorted(maps.Keys(annotations)) {
		name, ok := strings.CutPrefix(key, Prefix)
		if !ok {
			continue
		}
		if name == "Slice" || name == "PIDs" || !isPlainName(name) {
			return nil, annotationError(key, "must be a property that minirun does not set itself", name, nil)
		}
		value, err := dbus.ParseVariant(annotations[key], dbus.Signature{})
		if err != nil {
			const want = "must be a value in GVariant's text format, such as uint64 5 or 'text'"
			return nil, annotationError(key, want, annotations[key], err)
		}
		// Times are written in seconds and passed in microseconds.
		if seconds, ok := strings.CutSuffix(name, "Sec"); ok && !strings.HasSuffix(name, "USec") {
			micro, ok := toMicroseconds(value.Value())
			if !ok {
				return nil, annotationError(key, "must be a number of seconds", annotations[key], nil)
			}
			name, value = seconds+"USec", dbus.MakeVariant(micro)
		}
		out = append(out, Property{Name: name, Value: value})
	}
	return out, nil
}

func annotationError(key, want, got string, err error) error {
	return &spec.Error{Path: fmt.Sprintf("annotations[%q]", key), Want: want, Got: strconv.Quote(got), Err: err}
}

func isPlainName(name string) bool {
	for i := range len(name) {
		if ch := name[i]; (ch < 'a' || ch > 'z') && (ch < 'A' || ch > 'Z') && (i == 0 || ch < '0' || ch > '9') {
			return false
		}
	}
	return name != ""
}

func toMicroseconds(seconds any) (uint64, bool) {
	const each = 1_000_000
	switch n := seconds.(type) {
	case float64:
		return uint64(n * each), n >= 0 && n < math.MaxUint64/each
	case int32:
		return uint64(n) * each, n >= 0
	case int64:
		return uint64(n) * each, n >= 0 && n < math.MaxInt64/each
	case uint32:
		return uint64(n) * each, true
	case uint64:
		return n * each, n < math.MaxUint64/each
	}
	return 0, false
}
