// This file implements Compile, which converts linux.resources to the list of values
// to write. Compile is pure: it never looks at the machine, only at Host. So a file
// that the kernel lacks is only noticed when the value is written, and a file that has
// two names is listed under both (Value.Or).
//
// A zero means "not set" where the kernel has no use for it (memory limits, shares,
// quota, periods, weights), as in runc: engines fill such fields with 0.

package cgroups

import (
	"fmt"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

const resources = "linux.resources."

// Compile returns the values to write, in order, to give a container these resources
// on this kind of host. It fails if a resource has no mounted controller or no
// equivalent in the host's cgroup version. r may be nil: the device rules apply even
// then.
func Compile(h *Host, r *specs.LinuxResources) ([]Value, error) {
	if r == nil {
		r = &specs.LinuxResources{}
	}
	c := &compiler{h: h, out: make([]Value, 0, 24)}
	c.devices(r.Devices)
	c.limits(r)
	if c.err != nil {
		return nil, c.err
	}
	return c.out, nil
}

// CompileLimits is Compile without the device rules: only root of the machine can load
// them into the kernel.
func CompileLimits(h *Host, r *specs.LinuxResources) ([]Value, error) {
	c := &compiler{h: h}
	if r != nil {
		c.limits(r)
	}
	return c.out, c.err
}

// limits compiles everything except the device rules.
func (c *compiler) limits(r *specs.LinuxResources) {
	if r.Memory != nil {
		c.memory(r.Memory)
	}
	if r.CPU != nil {
		c.cpu(r.CPU)
	}
	if r.BlockIO != nil {
		c.blockIO(r.BlockIO)
	}
	c.hugepages(r.HugepageLimits)
	if r.Network != nil {
		c.network(r.Network)
	}
	c.rdma(r.Rdma)
	c.unified(r.Unified)
	if r.Pids != nil {
		c.pids(r.Pids)
	}
}

// compiler collects values; after the first error the values are no longer used.
type compiler struct {
	h   *Host
	out []Value
	err error
}

func (c *compiler) fail(source, format string, args ...any) {
	if c.err == nil {
		c.err = &Error{Path: resources + source, Err: fmt.Errorf(format, args...)}
	}
}

// Error reports a resource that the container cannot have. It renders as
//
//	config.json: linux.resources.cpu.idle: 2 is neither 0 nor 1
//	update: cpu.idle: 2 is neither 0 nor 1
type Error struct {
	Update bool   // it was requested by an update, not by config.json
	Path   string // the JSON path in config.json
	Err    error
}

func (e *Error) Error() string {
	if e.Update {
		return "update: " + strings.TrimPrefix(e.Path, resources) + ": " + e.Err.Error()
	}
	return "config.json: " + e.Path + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

func (c *compiler) add(v Value) {
	v.Source = resources + v.Source
	if v.Or != nil {
		or := *v.Or
		or.Controller, or.V2, or.Source = v.Controller, v.V2, v.Source
		v.Or = &or
	}
	c.out = append(c.out, v)
}

// version returns the cgroup version that has a controller: 1, 2, or 0 with an error
// if the host has it in neither.
func (c *compiler) version(controller, source string) int {
	switch {
	case c.h.has(controller):
		return 1
	case c.h.v2(controller):
		return 2
	}
	where := "not mounted"
	if c.h.Mode == V2 {
		where = "not in " + c.h.V2.Mount + "/cgroup.controllers"
	}
	c.fail(source, "controller %s is %s, so the host cannot enforce this: mount or enable it, or remove the setting", controller, where)
	return 0
}

// only1 is for features that v2 dropped: it fails unless the controller is v1's.
func (c *compiler) only1(controller, source, instead string) bool {
	switch c.version(controller, source) {
	case 1:
		return true
	case 2:
		c.fail(source, "cgroup v2 has no equivalent: %s", instead)
	}
	return false
}

// set reports whether a number was given and is not the 0 that means "not set".
func set[T int64 | uint64 | uint16 | uint32](p *T) bool { return p != nil && *p != 0 }

func itoa[T int64 | uint64 | uint32 | uint16](n T) string {
	if n < 0 {
		return strconv.FormatInt(int64(n), 10)
	}
	return strconv.FormatUint(uint64(n), 10)
}

// orMax formats a number for v2 files: -1 becomes "max".
func orMax(n int64) string {
	if n < 0 {
		return "max"
	}
	return itoa(n)
}
