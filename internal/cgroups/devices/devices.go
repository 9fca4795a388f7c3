// Package devices decides which device nodes a container may use: the rules of
// linux.resources.devices.
//
//	devices.go  sets of devices and accesses
//	policy.go   reads the rules (pure)
//	v1.go       converts them to writes to the v1 controller (pure)
//	program.go  converts them to a BPF program for v2 (pure)
//	bpf.go      loads the program and attaches it to a cgroup
//
// The meaning is that of the specification's "MUST apply entries in the listed order":
// for each of read, write and mknod on a device, the last matching rule decides;
// without one, access is denied.
package devices

import (
	"math"
	"strconv"
	"strings"
)

// maxRuleNumber is the largest number in a rule. Linux has 12 bits of major and 20 bits of
// minor number, but a rule may contain a number that no device has: the kernel compares 32
// bits.
const maxRuleNumber = math.MaxUint32

// access is a set of accesses to a device, with the bits of BPF_DEVCG_ACC_* in
// linux/bpf.h.
type access uint8

const (
	accessMknod access = 1 << iota
	accessRead
	accessWrite
	accessAll = accessMknod | accessRead | accessWrite
)

// accessLetters are the letters of config.json and of devices.list, in its order.
var accessLetters = [3]struct {
	access access
	letter byte
}{{accessRead, 'r'}, {accessWrite, 'w'}, {accessMknod, 'm'}}

func (a access) String() string {
	s := ""
	for _, l := range accessLetters {
		if a&l.access != 0 {
			s += string(l.letter)
		}
	}
	return s
}

// parseAccess returns the accesses of "rwm"; other letters are ignored.
func parseAccess(letters string) (a access) {
	for _, l := range accessLetters {
		if strings.IndexByte(letters, l.letter) >= 0 {
			a |= l.access
		}
	}
	return a
}

const anyNumber = -1 // matches every major or minor number

// nodes is a set of device nodes: all of one kind, or with one number or both.
type nodes struct {
	block        bool
	major, minor int64
}

func (n nodes) covers(o nodes) bool {
	return n.block == o.block && (n.major == anyNumber || n.major == o.major) &&
		(n.minor == anyNumber || n.minor == o.minor)
}

func (n nodes) overlaps(o nodes) bool {
	return n.block == o.block && (n.major == anyNumber || o.major == anyNumber || n.major == o.major) &&
		(n.minor == anyNumber || o.minor == anyNumber || n.minor == o.minor)
}

// String returns "c 1:3" or "b 8:*".
func (n nodes) String() string {
	kind := "c "
	if n.block {
		kind = "b "
	}
	return kind + formatNumber(n.major) + ":" + formatNumber(n.minor)
}

func formatNumber(n int64) string {
	if n == anyNumber {
		return "*"
	}
	return strconv.FormatInt(n, 10)
}
