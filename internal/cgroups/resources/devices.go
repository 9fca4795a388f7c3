package resources

import (
	"errors"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/cgroups/devices"
)

// DeviceProgram is the File of a Value that contains a device program.
const DeviceProgram = "BPF_CGROUP_DEVICE"

// devices compiles linux.resources.devices.
func (c *compiler) devices(list []specs.LinuxDeviceCgroup) {
	policy, err := devices.Parse(list)
	switch {
	case err != nil:
		c.failDevices(err)
	case c.h.HasV1("devices"):
		rules, err := policy.V1()
		if err != nil {
			c.failDevices(err)
			return
		}
		c.devicesV1(rules)
	case c.h.V2 != nil:
		c.devicesV2(policy)
	case len(list) > 0:
		c.version("devices", "devices")
	}
}

func (c *compiler) failDevices(err error) {
	if c.err == nil {
		c.err = deviceError(err)
	}
}

// deviceError gives an error of package devices the form of the others.
func deviceError(err error) error {
	var e *devices.Error
	if errors.As(err, &e) {
		return &Error{Path: e.Path, Err: e.Err}
	}
	return err
}

// devicesV1 writes devices.deny and devices.allow (Linux 2.6.26, cgroup-v1/devices.rst).
// A new cgroup has its parent's rules, so the default is always written first; only if it
// is "allow all", which the parent usually has, is it read before writing.
func (c *compiler) devicesV1(rules devices.V1) {
	values := deviceValues(rules.Writes())
	list, verifiable := rules.List()
	verification := Value{
		Controller: "devices", File: "devices.list", Value: list, Source: devices.Path, Verify: VerifyDevices,
	}
	switch {
	case rules.AllowsAll():
		verification.Or = &values[0]
		c.out = append(c.out, verification)
	case verifiable:
		c.out = append(append(c.out, values...), verification)
	default:
		c.out = append(c.out, values...)
	}
}

// deviceValues converts writes to values that are not read back: the files cannot be
// read.
func deviceValues(writes []devices.Write) []Value {
	values := make([]Value, 0, len(writes))
	for _, w := range writes {
		values = append(values, Value{
			Controller: "devices", File: w.File, Value: w.Line, Source: w.Source, Verify: VerifyNone,
		})
	}
	return values
}

// devicesV2 attaches a program (Linux 4.15): v2 has no files for devices.
func (c *compiler) devicesV2(policy devices.Policy) {
	v := programValue(policy)
	v.Value = policy.String()
	c.out = append(c.out, v)
}

func programValue(policy devices.Policy) Value {
	return Value{V2: true, File: DeviceProgram, Source: devices.Path, Verify: VerifyNone, Program: policy.Program()}
}
