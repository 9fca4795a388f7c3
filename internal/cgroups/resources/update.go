package resources

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/cgroups/cgroupfs"
	"github.com/minirun/minirun/internal/cgroups/devices"
	"github.com/minirun/minirun/internal/cgroups/group"
	"github.com/minirun/minirun/internal/cgroups/host"
)

// Update gives the group of a running container these resources. A value that r does not
// have stays unchanged, and so does one that is 0 if that means "not set": engines send
// the whole structure with zeros. Device rules, if there are any, replace all existing
// ones; unchanged values are not written. Limits are read back. At no moment does the
// container have less or more than before and after.
//
// On an error, which is an [Error] and names the value, the files are restored to their
// earlier contents. Otherwise old has the values that would restore them, for [Restore],
// except for the device rules, which come last.
//
// The group must be opened with [group.OpenOn] for the same host.
func Update(g *group.Group, h *host.Host, r *specs.LinuxResources) (old []Value, err error) {
	old, err = update(g, h, r)
	var e *Error
	if errors.As(err, &e) {
		e.Update = true
	}
	return old, err
}

func update(g *group.Group, h *host.Host, r *specs.LinuxResources) (old []Value, err error) {
	values, rules, err := planUpdate(g, h, r)
	if err != nil {
		return nil, err
	}
	before, err := readFiles(g, values)
	if err != nil {
		return nil, err
	}
	old = restoringValues(values, before)
	if err = Apply(g, values); err == nil {
		err = ApplyLate(g, values)
	}
	if err == nil && rules != nil {
		err = updateDevices(g, *rules)
	}
	if err != nil {
		if failed := Restore(g, old); failed != nil {
			err = fmt.Errorf("%w\n%w", err, failed)
		}
		return nil, err
	}
	return old, nil
}

// Changes returns the values that [Update] writes, except for devices.
func Changes(g *group.Group, h *host.Host, r *specs.LinuxResources) ([]Value, error) {
	values, _, err := planUpdate(g, h, r)
	return values, err
}

func planUpdate(g *group.Group, h *host.Host, r *specs.LinuxResources) ([]Value, *devices.Policy, error) {
	current, err := readCurrent(g, h, r)
	if err != nil {
		return nil, nil, err
	}
	return compileUpdate(h, r, current)
}

// KeepFile calls change, which may overwrite a file of the v2 group, and then restores
// the file's content.
func KeepFile(g *group.Group, file string, change func() error) error {
	dir := g.V2Directory()
	if dir == "" {
		return change()
	}
	before, err := cgroupfs.ReadText(dir + "/" + file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if failed := change(); failed != nil || err != nil {
		return failed
	}
	after, err := cgroupfs.ReadText(dir + "/" + file)
	if err != nil || after == before {
		return err
	}
	return cgroupfs.WriteText(dir+"/"+file, before)
}

// currentValues are the values of config.json that share a v2 file with one that an
// update changes. nil means that the update changes both, or none.
type currentValues struct {
	quota  *int64  // linux.resources.cpu.quota, in microseconds
	period *uint64 // linux.resources.cpu.period, in microseconds
	memory *int64  // linux.resources.memory.limit, in bytes
}

// readCurrent reads the group's value if only the other half is given.
func readCurrent(g *group.Group, h *host.Host, r *specs.LinuxResources) (current currentValues, err error) {
	dir := g.V2Directory()
	if dir == "" {
		return current, nil
	}
	if c := r.CPU; c != nil && !h.HasV1("cpu") && isSet(c.Period) && !isSet(c.Quota) {
		if current.quota, err = readLimit(dir + "/cpu.max"); err != nil {
			return current, fmt.Errorf("the CPU quota, which cpu.period alone does not change: %w", err)
		}
	}
	if c := r.CPU; c != nil && !h.HasV1("cpu") && isSet(c.Quota) && !isSet(c.Period) {
		if current.period, err = readPeriod(dir + "/cpu.max"); err != nil {
			return current, fmt.Errorf("the CPU period, which cpu.quota alone does not change: %w", err)
		}
	}
	if m := r.Memory; m != nil && !h.HasV1("memory") && isSet(m.Swap) && *m.Swap > 0 && !isSet(m.Limit) {
		if current.memory, err = readLimit(dir + "/memory.max"); err != nil {
			return current, fmt.Errorf("the memory limit, which memory.swap counts too: %w", err)
		}
	}
	return current, nil
}

// readLimit reads the number at the start of a v2 file; "max" is -1, and nil is a
// missing file.
func readLimit(path string) (*int64, error) {
	s, err := cgroupfs.ReadText(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	word, _, _ := strings.Cut(s, " ")
	n := int64(-1)
	if word != "max" {
		if n, err = strconv.ParseInt(word, 10, 64); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return &n, nil
}

// readPeriod reads the second number of cpu.max; nil is a missing file.
func readPeriod(path string) (*uint64, error) {
	s, err := cgroupfs.ReadText(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	_, word, _ := strings.Cut(s, " ")
	n, err := strconv.ParseUint(word, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &n, nil
}
