package resources

import (
	"fmt"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// ioV2 writes the files of cgroup-v2.rst, "IO", and block/bfq-iosched.rst. It is also
// used for a host without an io controller: hasIO then fails on the first setting.
func (c *compiler) ioV2(b *specs.LinuxBlockIO) {
	if isSet(b.Weight) {
		c.weightV2("blockIO.weight", "", *b.Weight)
	}
	if isSet(b.LeafWeight) {
		c.leafWeightV2("blockIO.leafWeight")
	}
	for i := range b.WeightDevice {
		d, source := &b.WeightDevice[i], fmt.Sprintf("blockIO.weightDevice[%d]", i)
		dev := c.weightDevice(source, d)
		if isSet(d.Weight) {
			c.weightV2(source+".weight", dev+" ", *d.Weight)
		}
		if isSet(d.LeafWeight) {
			c.leafWeightV2(source + ".leafWeight")
		}
	}
	// io.max: Linux 4.5.
	for _, t := range throttles(b) {
		for i, d := range t.devices {
			source := fmt.Sprintf("blockIO.%s[%d]", t.field, i)
			dev := c.blockDevice(source, d.LinuxBlockIODevice)
			if !c.hasIO(source + ".rate") {
				continue
			}
			rate := formatNumber(d.Rate)
			if d.Rate == 0 {
				rate = "max" // v1 uses 0 for "no limit"
			}
			c.addV2("io.max", dev+" "+t.keyV2+"="+rate, source+".rate").Verify = VerifyLine
		}
	}
}

// weightV2 writes a weight for all devices (prefix is "") or for one ("8:0 "). The file
// belongs to the I/O scheduler or controller in use: BFQ (Linux 4.12, for one device 5.4),
// or io.weight of CFQ (4.5 to 4.20) and of io.cost (5.4), which ranges from 1 to 10000.
func (c *compiler) weightV2(source, prefix string, weight uint16) {
	if !c.checkWeight(source, weight) || !c.hasIO(source) {
		return
	}
	v := c.addV2("io.bfq.weight", prefix+formatNumber(weight), source)
	v.Verify = VerifyDefault
	if prefix != "" {
		v.Verify = VerifyLine
	}
	converted := 1 + (uint64(weight)-minWeight)*9999/(maxWeight-minWeight)
	v.setAlternative("io.weight", prefix+formatNumber(converted))
}

func (c *compiler) leafWeightV2(source string) {
	if c.hasIO(source) {
		c.fail(source, "cgroup v2 has no equivalent: a cgroup there has processes or children, never both, "+
			"so leaf weights have no meaning")
	}
}

// hasIO fails unless the v2 tree has the io controller.
func (c *compiler) hasIO(source string) bool {
	if c.h.HasV2("io") {
		return true
	}
	controller := "blkio" // the name of the one that could be mounted
	if c.h.IsV2Only() {
		controller = "io"
	}
	c.version(controller, source)
	return false
}
