package resources

import (
	"fmt"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// The weights in config.json are those of CFQ, which BFQ and v2 adopt or convert.
const minWeight, maxWeight = 10, 1000

// Linux has 12 bits of major and 20 bits of minor number.
const maxMajor, maxMinor = 1<<12 - 1, 1<<20 - 1

// blockIO compiles linux.resources.blockIO. The controller is called blkio in v1 and io
// in v2.
func (c *compiler) blockIO(b *specs.LinuxBlockIO) {
	if c.h.HasV1("blkio") {
		c.blkioV1(b)
	} else {
		c.ioV2(b)
	}
}

// blkioV1 writes the files of cgroup-v1/blkio-controller.rst and block/bfq-iosched.rst.
func (c *compiler) blkioV1(b *specs.LinuxBlockIO) {
	if isSet(b.Weight) {
		c.weightV1("blockIO.weight", "", *b.Weight)
	}
	// blkio.leaf_weight: Linux 3.9 to 4.20, where CFQ was removed.
	if isSet(b.LeafWeight) {
		c.addV1("blkio.leaf_weight", formatNumber(*b.LeafWeight), "blockIO.leafWeight").Verify = VerifyDefault
	}
	for i := range b.WeightDevice {
		d, source := &b.WeightDevice[i], fmt.Sprintf("blockIO.weightDevice[%d]", i)
		dev := c.weightDevice(source, d)
		if isSet(d.Weight) {
			c.weightV1(source+".weight", dev, *d.Weight)
		}
		if isSet(d.LeafWeight) {
			c.addV1("blkio.leaf_weight_device", dev+" "+formatNumber(*d.LeafWeight), source+".leafWeight").Verify = VerifyLine
		}
	}
	// blkio.throttle.*: Linux 2.6.37.
	for _, t := range throttles(b) {
		for i, d := range t.devices {
			source := fmt.Sprintf("blockIO.%s[%d]", t.field, i)
			dev := c.blockDevice(source, d.LinuxBlockIODevice)
			c.addV1("blkio.throttle."+t.fileV1+"_device", dev+" "+formatNumber(d.Rate), source+".rate").Verify = VerifyLine
		}
	}
}

// weightV1 writes a weight for all devices (dev is "") or for one ("8:0"). The file
// belongs to the I/O scheduler in use: CFQ (Linux 2.6.33 to 4.20) or BFQ (4.12, for one
// device 5.4).
func (c *compiler) weightV1(source, dev string, weight uint16) {
	if !c.checkWeight(source, weight) {
		return
	}
	if dev == "" {
		v := c.addV1("blkio.weight", formatNumber(weight), source)
		v.Verify = VerifyDefault
		v.setAlternative("blkio.bfq.weight", v.Value)
		return
	}
	v := c.addV1("blkio.weight_device", dev+" "+formatNumber(weight), source)
	v.Verify = VerifyLine
	v.setAlternative("blkio.bfq.weight_device", v.Value)
}

func (c *compiler) checkWeight(source string, weight uint16) bool {
	if weight < minWeight || weight > maxWeight {
		c.fail(source, "%d is out of range: %d to %d", weight, minWeight, maxWeight)
		return false
	}
	return true
}

// weightDevice checks an entry of weightDevice and returns its device as in cgroup files.
func (c *compiler) weightDevice(source string, d *specs.LinuxWeightDevice) string {
	dev := c.blockDevice(source, d.LinuxBlockIODevice)
	if d.Weight == nil && d.LeafWeight == nil {
		c.fail(source, "has neither weight nor leafWeight")
	}
	return dev
}

// blockDevice returns a device as in cgroup files, "8:0".
func (c *compiler) blockDevice(source string, d specs.LinuxBlockIODevice) string {
	if d.Major < 0 || d.Major > maxMajor || d.Minor < 0 || d.Minor > maxMinor {
		c.fail(source, "%d:%d is not a device number: major 0 to %d, minor 0 to %d", d.Major, d.Minor, maxMajor, maxMinor)
	}
	return formatNumber(d.Major) + ":" + formatNumber(d.Minor)
}

// throttle is one of the four lists of rates.
type throttle struct {
	field   string // in config.json
	fileV1  string // blkio.throttle.FILE_device
	keyV2   string // in io.max
	devices []specs.LinuxThrottleDevice
}

func throttles(b *specs.LinuxBlockIO) [4]throttle {
	return [4]throttle{
		{"throttleReadBpsDevice", "read_bps", "rbps", b.ThrottleReadBpsDevice},
		{"throttleWriteBpsDevice", "write_bps", "wbps", b.ThrottleWriteBpsDevice},
		{"throttleReadIOPSDevice", "read_iops", "riops", b.ThrottleReadIOPSDevice},
		{"throttleWriteIOPSDevice", "write_iops", "wiops", b.ThrottleWriteIOPSDevice},
	}
}
