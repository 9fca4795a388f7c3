package resources

import (
	"fmt"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/cgroups/host"
)

// pathPrefix begins the JSON path of every resource.
const pathPrefix = "linux.resources."

// Compile returns the values to write, in order, to give a container these resources
// on this kind of host. It fails if a resource has no mounted controller or no
// equivalent in the host's cgroup version. r may be nil: the device rules apply even
// then. The error is an [Error].
func Compile(h *host.Host, r *specs.LinuxResources) ([]Value, error) {
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
func CompileLimits(h *host.Host, r *specs.LinuxResources) ([]Value, error) {
	c := &compiler{h: h}
	if r != nil {
		c.limits(r)
	}
	return c.out, c.err
}

// limits compiles everything except the device rules. unified comes after the converted
// values, which it overrides.
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
	h   *host.Host
	out []Value
	err error
}

// addV1 adds a value for a file of a v1 hierarchy; source is the JSON path below
// linux.resources. The result, to set more fields of, is valid until the next value.
func (c *compiler) addV1(file, value, source string) *Value {
	controller, _, _ := strings.Cut(file, ".")
	c.out = append(c.out, Value{Controller: controller, File: file, Value: value, Source: pathPrefix + source})
	return &c.out[len(c.out)-1]
}

// addV2 is addV1 for a file of the v2 tree.
func (c *compiler) addV2(file, value, source string) *Value {
	v := c.addV1(file, value, source)
	v.V2 = true
	return v
}

func (c *compiler) fail(source, format string, args ...any) {
	if c.err == nil {
		c.err = &Error{Path: pathPrefix + source, Err: fmt.Errorf(format, args...)}
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
		return "update: " + strings.TrimPrefix(e.Path, pathPrefix) + ": " + e.Err.Error()
	}
	return "config.json: " + e.Path + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// version returns the cgroup version that has a controller: 1, 2, or 0 with an error
// if the host has it in neither.
func (c *compiler) version(controller, source string) int {
	switch {
	case c.h.HasV1(controller):
		return 1
	case c.h.HasV2(controller):
		return 2
	}
	problem := "not mounted"
	if c.h.IsV2Only() {
		problem = "not in " + c.h.V2.Mount + "/cgroup.controllers"
	}
	c.fail(source, "controller %s is %s, so the host cannot enforce this\n"+
		"hint: mount or enable it, or remove the setting", controller, problem)
	return 0
}

// failV2 reports a setting that v2 dropped: it fails because there is no equivalent, or
// because the host has the controller in neither version.
func (c *compiler) failV2(controller, source, instead string) {
	if c.version(controller, source) == 2 {
		c.fail(source, "cgroup v2 has no equivalent: %s", instead)
	}
}

// isSet reports whether a number was given and is not the 0 that means "not set".
func isSet[T int64 | uint64 | uint16 | uint32](p *T) bool { return p != nil && *p != 0 }

func formatNumber[T int64 | uint64 | uint32 | uint16](n T) string {
	if n < 0 {
		return strconv.FormatInt(int64(n), 10)
	}
	return strconv.FormatUint(uint64(n), 10)
}

// formatLimit formats a number for v2 files: -1 becomes "max".
func formatLimit(n int64) string {
	if n < 0 {
		return "max"
	}
	return formatNumber(n)
}

func formatBool(b bool) string {
	if b {
		return "1"
	}
	return "0"
}
