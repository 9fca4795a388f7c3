// This file changes the resources of a running container: values that are not given
// stay unchanged, and at no moment does the container have less or more than before
// and after.

package cgroups

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Update gives the group these resources. A value that r does not have stays
// unchanged, and so does one that is 0 if that means "not set": engines send the whole
// structure with zeros. Device rules, if there are any, replace all existing ones;
// unchanged values are not written. Limits are read back. On an error, which names the
// value, the files are restored to their earlier contents. Otherwise old has the
// values that would restore them, except for the device rules, which come last.
//
// The group must be opened with [Host.Open] for the same host.
func (g *Group) Update(h *Host, r *specs.LinuxResources) (old []Value, err error) {
	old, err = g.update(h, r)
	var e *Error
	if errors.As(err, &e) {
		e.Update = true
	}
	return old, err
}

// Restore writes the values that Update returned.
func (g *Group) Restore(old []Value) error {
	if err := g.restore(old); err != nil {
		return fmt.Errorf("restore the old limits: %w", err)
	}
	return nil
}

// Keeping calls do, which may overwrite a file of the v2 group, and then restores the
// file's content.
func (g *Group) Keeping(file string, do func() error) error {
	d := g.dir("", true)
	if d == nil {
		return do()
	}
	before, err := readText(d.path + "/" + file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if did := do(); did != nil || err != nil {
		return did
	}
	if now, err := readText(d.path + "/" + file); err != nil || now == before {
		return err
	}
	return writeText(d.path+"/"+file, before)
}

// Changes returns the values that Update writes, except for devices.
func (g *Group) Changes(h *Host, r *specs.LinuxResources) ([]Value, error) {
	now, err := g.current(h, r)
	if err != nil {
		return nil, err
	}
	values, _, err := compileUpdate(h, r, now)
	return values, err
}

func (g *Group) update(h *Host, r *specs.LinuxResources) (old []Value, err error) {
	now, err := g.current(h, r)
	if err != nil {
		return nil, err
	}
	values, rules, err := compileUpdate(h, r, now)
	if err != nil {
		return nil, err
	}
	before, err := g.readFiles(values)
	if err != nil {
		return nil, err
	}
	old = restoring(values, before)
	if err = g.Apply(values); err == nil {
		err = g.ApplyLate(values)
	}
	if err == nil && rules != nil {
		err = g.updateDevices(*rules)
	}
	if err != nil {
		if failed := g.Restore(old); failed != nil {
			err = fmt.Errorf("%w\n%w", err, failed)
		}
		return nil, err
	}
	return old, nil
}

// updateDevices replaces the device rules.
func (g *Group) updateDevices(rules policy) error {
	if d := g.dir("devices", false); d != nil {
		return g.updateDevices1(d, rules)
	}
	return g.Apply([]Value{{V2: true, File: DeviceProgram, Source: resources + "devices", Verify: VerifyNone, Program: rules.program()}})
}

// A setting contains two values of config.json that share one file on v2.
type setting struct {
	quota  *int64 // linux.resources.cpu.quota
	period *uint64
	memory *int64 // linux.resources.memory.limit
}

// current reads the group's setting, if only the other half is given.
func (g *Group) current(h *Host, r *specs.LinuxResources) (now setting, err error) {
	d := g.dir("", true)
	if d == nil {
		return now, nil
	}
	if c := r.CPU; c != nil && !h.has("cpu") && set(c.Period) && !set(c.Quota) {
		if now.quota, err = limitIn(d.path + "/cpu.max"); err != nil {
			return now, fmt.Errorf("the CPU quota, which cpu.period alone does not change: %w", err)
		}
	}
	if c := r.CPU; c != nil && !h.has("cpu") && set(c.Quota) && !set(c.Period) {
		if now.period, err = periodIn(d.path + "/cpu.max"); err != nil {
			return now, fmt.Errorf("the CPU period, which cpu.quota alone does not change: %w", err)
		}
	}
	if m := r.Memory; m != nil && !h.has("memory") && set(m.Swap) && *m.Swap > 0 && !set(m.Limit) {
		if now.memory, err = limitIn(d.path + "/memory.max"); err != nil {
			return now, fmt.Errorf("the memory limit, which memory.swap counts too: %w", err)
		}
	}
	return now, nil
}

// limitIn reads the number at the start of a v2 file; "max" is -1, and nil is a
// missing file.
func limitIn(path string) (*int64, error) {
	s, err := readText(path)
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

// periodIn reads the second number of cpu.max; nil is a missing file.
func periodIn(path string) (*uint64, error) {
	s, err := readText(path)
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

// compileUpdate is Compile for a container that already has resources (pure). rules is
// nil if the device rules stay.
func compileUpdate(h *Host, r *specs.LinuxResources, now setting) ([]Value, *policy, error) {
	changed := *r
	if now.quota != nil {
		cpu := *r.CPU
		cpu.Quota = now.quota
		changed.CPU = &cpu
	}
	if now.period != nil { // cpu.max keeps it, but systemd needs both
		cpu := *r.CPU
		cpu.Period = now.period
		changed.CPU = &cpu
	}
	var swap *int64
	if now.memory != nil {
		memory := *r.Memory
		swap, memory.Swap = r.Memory.Swap, nil
		changed.Memory = &memory
	}
	c := &compiler{h: h}
	c.limits(&changed)
	if swap != nil {
		c.swapAbove(*swap, *now.memory)
	}
	if r.CPU != nil && r.CPU.Burst != nil && *r.CPU.Burst == 0 {
		c.noBurst()
	}
	if len(r.Devices) == 0 || c.err != nil {
		return c.out, nil, c.err
	}
	rules := c.policy(r.Devices)
	if c.err == nil && !h.has("devices") && h.V2 == nil {
		c.version("devices", "devices")
	}
	return c.out, &rules, c.err
}

// swapAbove limits memory and swap together to a number, while memory alone keeps its
// limit, -1 for none.
func (c *compiler) swapAbove(together, memory int64) {
	switch {
	case memory == -1:
		c.fail("memory.swap", "%d counts memory and swap together, and the container has no limit of memory: give one too", together)
	case together < memory:
		c.fail("memory.swap", "%d is below the container's limit of memory, %d: swap counts memory and swap together", together, memory)
	default:
		swap := itoa(together - memory)
		c.add(Value{Controller: "memory", V2: true, File: "memory.swap.max", Value: swap, Source: "memory.swap",
			Verify: VerifyBytes, Optional: swap == "0"})
	}
}

// noBurst removes a burst that the container may have. A new cgroup has none, and a
// kernel without the file (before 5.14) does not support it.
func (c *compiler) noBurst() {
	file := "cpu.cfs_burst_us"
	if !c.h.has("cpu") {
		file = "cpu.max.burst"
	}
	if c.h.has("cpu") || c.h.v2("cpu") {
		c.add(Value{Controller: "cpu", V2: !c.h.has("cpu"), File: file, Value: "0", Source: "cpu.burst", Optional: true})
	}
}

// updateDevices1 changes the rules of the v1 controller to p. Only exceptions that
// differ are written, new ones first. Between "deny a" and the exceptions that follow
// it the container would be denied every device, so if the default changes, or cannot
// be verified, its processes are frozen meanwhile.
func (g *Group) updateDevices1(d *dir, p policy) error {
	p, exceptions, err := p.forV1()
	if err != nil {
		return err
	}
	list, err := readText(d.path + "/devices.list")
	if err != nil {
		return explain(&Value{Controller: "devices", Source: resources + "devices"}, err)
	}
	const everything = "a *:* rwm"
	if list == everything && p.allow && len(exceptions) == 0 {
		return nil
	}
	c := &compiler{}
	c.devices1(p)
	if c.err != nil {
		return c.err
	}
	if p.allow || list == everything {
		// The default is not part of the list, so it cannot be restored. These writes
		// fail only if the first one does.
		return g.whileFrozen(func() error { return g.Apply(c.out) })
	}
	values := append(deviceChanges(list, exceptions), c.out[len(c.out)-1]) // and verify devices.list
	err = g.Apply(values)
	if err == nil {
		return nil
	}
	reached, failed := readText(d.path + "/devices.list")
	if failed == nil {
		failed = g.Apply(deviceChanges(reached, listed(list)))
	}
	return errors.Join(err, failed)
}

// listed parses the exceptions of a devices.list (pure).
func listed(list string) (out []exception) {
	for line := range strings.Lines(list) {
		f := strings.Fields(line)
		if len(f) != 3 {
			continue
		}
		e := exception{devices: devices{block: f[0] == "b", major: anyNum, minor: anyNum}, access: accessOf(f[2]), source: resources + "devices"}
		major, minor, _ := strings.Cut(f[1], ":")
		for i, number := range [2]string{major, minor} {
			if n, err := strconv.ParseInt(number, 10, 64); err == nil { // "*" means any
				*[2]*int64{&e.major, &e.minor}[i] = n
			}
		}
		out = append(out, e)
	}
	return out
}

// deviceChanges returns the values that change a devices.list to these exceptions
// (pure).
func deviceChanges(list string, want []exception) (values []Value) {
	has := map[string]access{}
	for line := range strings.Lines(list) {
		if f := strings.Fields(line); len(f) == 3 {
			has[f[0]+" "+f[1]] |= accessOf(f[2])
		}
	}
	change := func(file, device string, a access, source string) {
		if a != 0 {
			values = append(values, Value{Controller: "devices", File: file, Value: device + " " + a.String(), Source: source, Verify: VerifyNone})
		}
	}
	wanted := map[string]access{}
	for _, e := range want {
		device := e.devices.String()
		wanted[device] = e.access
		change("devices.allow", device, e.access&^has[device], e.source)
	}
	for line := range strings.Lines(list) { // in its order, so that the same change gives the same list
		if f := strings.Fields(line); len(f) == 3 {
			device := f[0] + " " + f[1]
			change("devices.deny", device, accessOf(f[2])&^wanted[device], resources+"devices")
		}
	}
	return values
}

func accessOf(letters string) (a access) {
	for _, bit := range [3]struct {
		a access
		c string
	}{{accessRead, "r"}, {accessWrite, "w"}, {accessMknod, "m"}} {
		if strings.Contains(letters, bit.c) {
			a |= bit.a
		}
	}
	return a
}

// freezeDeadline limits how long an update may keep the container frozen.
const freezeDeadline = 10 * time.Second

// whileFrozen runs change while no process of the group runs.
func (g *Group) whileFrozen(change func() error) (err error) {
	paused, err := g.Paused()
	if err != nil {
		return err
	}
	if paused || g.dir("freezer", false) == nil && g.dir("", true) == nil {
		return change()
	}
	ctx, cancel := context.WithTimeout(context.Background(), freezeDeadline)
	defer cancel()
	if err := g.Freeze(ctx); err != nil {
		return err
	}
	defer func() {
		thaw, cancel := context.WithTimeout(context.Background(), freezeDeadline)
		defer cancel()
		err = errors.Join(err, g.Thaw(thaw))
	}()
	return change()
}
