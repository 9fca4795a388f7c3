package resources

import (
	"fmt"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// hugepages compiles linux.resources.hugepageLimits.
func (c *compiler) hugepages(limits []specs.LinuxHugepageLimit) {
	for i, l := range limits {
		unit, ok := parsePageSize(l.Pagesize)
		if !ok {
			c.fail(fmt.Sprintf("hugepageLimits[%d].pageSize", i), "%q is not a page size like 64KB, 2MB or 1GB", l.Pagesize)
			continue
		}
		source := fmt.Sprintf("hugepageLimits[%d].limit", i)
		switch c.version("hugetlb", source) {
		case 0:
			return
		case 1:
			c.hugetlbV1(source, l, unit)
		case 2:
			c.hugetlbV2(source, l, unit)
		}
	}
}

// hugetlbV1 limits usage (Linux 3.6) and, where the kernel can (5.7), reservations
// (cgroup-v1/hugetlb.rst): the specification asks for the latter, but a reservation limit
// alone does not apply to memory mapped with MAP_NORESERVE. unit is the size of a page in
// bytes.
func (c *compiler) hugetlbV1(source string, l specs.LinuxHugepageLimit, unit uint64) {
	v := c.addV1("hugetlb."+l.Pagesize+".limit_in_bytes", formatNumber(l.Limit), source)
	v.Verify, v.Unit = VerifyBytes, unit
	v = c.addV1("hugetlb."+l.Pagesize+".rsvd.limit_in_bytes", formatNumber(l.Limit), source)
	v.Verify, v.Unit, v.Optional = VerifyBytes, unit, true
}

// hugetlbV2 does the same with the files of cgroup-v2.rst, "HugeTLB": usage since Linux
// 5.6, reservations since 5.7.
func (c *compiler) hugetlbV2(source string, l specs.LinuxHugepageLimit, unit uint64) {
	v := c.addV2("hugetlb."+l.Pagesize+".max", formatNumber(l.Limit), source)
	v.Verify, v.Unit = VerifyBytes, unit
	v = c.addV2("hugetlb."+l.Pagesize+".rsvd.max", formatNumber(l.Limit), source)
	v.Verify, v.Unit, v.Optional = VerifyBytes, unit, true
}

// parsePageSize parses "2MB". It is strict, because the size becomes part of a file name.
func parsePageSize(s string) (bytes uint64, ok bool) {
	digits := strings.TrimRight(s, "KMGB")
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil || n == 0 || digits[0] == '0' || digits[0] == '+' {
		return 0, false
	}
	switch s[len(digits):] {
	case "KB":
		return n << 10, true
	case "MB":
		return n << 20, true
	case "GB":
		return n << 30, true
	}
	return 0, false
}
