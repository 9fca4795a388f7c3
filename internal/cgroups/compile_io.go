// This file compiles linux.resources.blockIO. Kernel documents:
// admin-guide/cgroup-v1/blkio-controller.rst, block/bfq-iosched.rst,
// admin-guide/cgroup-v2.rst "IO Interface Files".

package cgroups

import (
	"fmt"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// The weights in config.json are those of CFQ, which BFQ and v2 adopt or convert.
const minWeight, maxWeight = 10, 1000

func (c *compiler) blockIO(b *specs.LinuxBlockIO) {
	c.weights(b)
	throttles := []struct {
		name, file1, key2 string
		devices           []specs.LinuxThrottleDevice
	}{
		{"throttleReadBpsDevice", "read_bps", "rbps", b.ThrottleReadBpsDevice},
		{"throttleWriteBpsDevice", "write_bps", "wbps", b.ThrottleWriteBpsDevice},
		{"throttleReadIOPSDevice", "read_iops", "riops", b.ThrottleReadIOPSDevice},
		{"throttleWriteIOPSDevice", "write_iops", "wiops", b.ThrottleWriteIOPSDevice},
	}
	for _, t := range throttles {
		for i, d := range t.devices {
			source := fmt.Sprintf("blockIO.%s[%d]", t.name, i)
			dev := c.blockDevice(source, d.LinuxBlockIODevice)
			switch c.io(source + ".rate") {
			case 1:
				c.add(Value{Controller: "blkio", File: "blkio.throttle." + t.file1 + "_device",
					Value: dev + " " + itoa(d.Rate), Source: source + ".rate", Verify: VerifyLine})
			case 2:
				rate := itoa(d.Rate)
				if d.Rate == 0 {
					rate = "max" // v1 uses 0 for "no limit"
				}
				c.add(Value{Controller: "io", V2: true, File: "io.max",
					Value: dev + " " + t.key2 + "=" + rate, Source: source + ".rate", Verify: VerifyLine})
			}
		}
	}
}

func (c *compiler) weights(b *specs.LinuxBlockIO) {
	const noLeaf = "a cgroup there has processes or children, never both, so leaf weights have no meaning"
	if set(b.Weight) {
		c.weight("blockIO.weight", "", *b.Weight)
	}
	if set(b.LeafWeight) {
		c.leaf("blockIO.leafWeight", "blkio.leaf_weight", "", *b.LeafWeight, noLeaf)
	}
	for i, d := range b.WeightDevice {
		source := fmt.Sprintf("blockIO.weightDevice[%d]", i)
		dev := c.blockDevice(source, d.LinuxBlockIODevice)
		if d.Weight == nil && d.LeafWeight == nil {
			c.fail(source, "has neither weight nor leafWeight")
		}
		if set(d.Weight) {
			c.weight(source+".weight", dev+" ", *d.Weight)
		}
		if set(d.LeafWeight) {
			c.leaf(source+".leafWeight", "blkio.leaf_weight_device", dev+" ", *d.LeafWeight, noLeaf)
		}
	}
}

// weight writes a weight for all devices (dev is "") or one ("8:0 "). The file belongs
// to the I/O scheduler in use: CFQ (removed in Linux 5.0), BFQ, or v2's io.cost, whose
// weights range from 1 to 10000.
func (c *compiler) weight(source, dev string, w uint16) {
	if w < minWeight || w > maxWeight {
		c.fail(source, "%d is out of range: %d to %d", w, minWeight, maxWeight)
		return
	}
	verify, suffix := VerifyDefault, ""
	if dev != "" {
		verify, suffix = VerifyLine, "_device"
	}
	value := dev + itoa(w)
	switch c.io(source) {
	case 1:
		c.add(Value{Controller: "blkio", File: "blkio.weight" + suffix, Value: value, Source: source, Verify: verify,
			Or: &Value{File: "blkio.bfq.weight" + suffix, Value: value, Verify: verify}})
	case 2:
		converted := 1 + (uint64(w)-minWeight)*9999/(maxWeight-minWeight)
		c.add(Value{Controller: "io", V2: true, File: "io.bfq.weight", Value: value, Source: source, Verify: verify,
			Or: &Value{File: "io.weight", Value: dev + itoa(converted), Verify: verify}})
	}
}

func (c *compiler) leaf(source, file, dev string, w uint16, noLeaf string) {
	switch c.io(source) {
	case 1:
		c.add(Value{Controller: "blkio", File: file, Value: dev + itoa(w), Source: source, Verify: verifyFor(dev)})
	case 2:
		c.fail(source, "cgroup v2 has no equivalent: %s", noLeaf)
	}
}

func verifyFor(dev string) Verify {
	if dev != "" {
		return VerifyLine
	}
	return VerifyDefault
}

// io is version for the controller that is called blkio in v1 and io in v2.
func (c *compiler) io(source string) int {
	if c.h.has("blkio") {
		return 1
	}
	if c.h.v2("io") {
		return 2
	}
	if c.h.Mode == V2 {
		return c.version("io", source)
	}
	return c.version("blkio", source)
}

func (c *compiler) blockDevice(source string, d specs.LinuxBlockIODevice) string {
	if d.Major < 0 || d.Major > maxMajor || d.Minor < 0 || d.Minor > maxMinor {
		c.fail(source, "%d:%d is not a device number: major 0 to %d, minor 0 to %d", d.Major, d.Minor, maxMajor, maxMinor)
	}
	return itoa(d.Major) + ":" + itoa(d.Minor)
}
