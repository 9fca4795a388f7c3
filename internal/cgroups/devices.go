// This file handles device rules: parsing them, and converting them to writes to the
// v1 devices controller. devices_bpf.go converts the same rules to a program for v2.
//
// The meaning is that of the specification's "MUST apply entries in the listed order":
// for each of read, write and mknod on a device, the last matching rule decides;
// without one, access is denied.

package cgroups

import (
	"fmt"
	"math"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Linux has 12 bits of major and 20 bits of minor number.
const maxMajor, maxMinor = 1<<12 - 1, 1<<20 - 1

// A rule may contain a number that no device has: the kernel compares 32 bits.
const maxRuleNumber = math.MaxUint32

// access bits, as BPF_DEVCG_ACC_* in linux/bpf.h.
type access uint8

const (
	accessMknod access = 1 << iota
	accessRead
	accessWrite
	accessAll = accessMknod | accessRead | accessWrite
)

func (a access) String() string {
	s := ""
	for _, bit := range [3]struct {
		a access
		c string
	}{{accessRead, "r"}, {accessWrite, "w"}, {accessMknod, "m"}} {
		if a&bit.a != 0 {
			s += bit.c
		}
	}
	return s
}

const anyNum = -1 // matches every major or minor number

// devices is a set of device nodes: all of one kind, or with one number or both.
type devices struct {
	block        bool
	major, minor int64
}

func (d devices) covers(o devices) bool {
	return d.block == o.block && (d.major == anyNum || d.major == o.major) && (d.minor == anyNum || d.minor == o.minor)
}

func (d devices) overlaps(o devices) bool {
	return d.block == o.block && (d.major == anyNum || o.major == anyNum || d.major == o.major) &&
		(d.minor == anyNum || o.minor == anyNum || d.minor == o.minor)
}

func (d devices) String() string {
	num := func(n int64) string {
		if n == anyNum {
			return "*"
		}
		return itoa(n)
	}
	kind := "c "
	if d.block {
		kind = "b "
	}
	return kind + num(d.major) + ":" + num(d.minor)
}

// rule is one entry of linux.resources.devices.
type rule struct {
	devices
	allow  bool
	access access
	source string
}

// policy is the default (the answer if no rule matches the access) and the rules in
// order. A rule for every access to every device cancels all before it and becomes the
// default.
type policy struct {
	allow bool
	rules []rule
}

// defaultDevices are allowed for every container, after the rules of config.json: the
// nodes of config-linux.md "Default Devices", terminals of its own devpts (136:*),
// TUN/TAP, and mknod of anything, which gives no access. The list is the one that runc
// sets (as seen in devices.list).
var defaultDevices = [...]rule{
	{devices: devices{false, anyNum, anyNum}, access: accessMknod},
	{devices: devices{true, anyNum, anyNum}, access: accessMknod},
	{devices: devices{false, 1, 3}, access: accessAll},        // null
	{devices: devices{false, 1, 8}, access: accessAll},        // random
	{devices: devices{false, 1, 7}, access: accessAll},        // full
	{devices: devices{false, 5, 0}, access: accessAll},        // tty
	{devices: devices{false, 1, 5}, access: accessAll},        // zero
	{devices: devices{false, 1, 9}, access: accessAll},        // urandom
	{devices: devices{false, 136, anyNum}, access: accessAll}, // pts/*
	{devices: devices{false, 5, 2}, access: accessAll},        // ptmx
	{devices: devices{false, 10, 200}, access: accessAll},     // net/tun
}

const defaultsSource = resources + "devices (devices every container has)"

// policy reads all entries, and adds the devices that every container has.
func (c *compiler) policy(list []specs.LinuxDeviceCgroup) policy {
	p := policy{}
	for i, d := range list {
		p.add(c.rules(fmt.Sprintf("devices[%d]", i), d)...)
	}
	for _, d := range defaultDevices {
		d.allow, d.source = true, defaultsSource
		p.add(d)
	}
	return p
}

func (c *compiler) devices(list []specs.LinuxDeviceCgroup) {
	p := c.policy(list)
	switch {
	case c.err != nil:
	case c.h.has("devices"):
		c.devices1(p)
	case c.h.V2 != nil:
		c.out = append(c.out, Value{V2: true, File: DeviceProgram, Value: p.String(), Source: resources + "devices",
			Verify: VerifyNone, Program: p.program()})
	case len(list) > 0:
		c.version("devices", "devices")
	}
}

// rules parses one entry. "a", or no type, means both kinds of device.
func (c *compiler) rules(source string, d specs.LinuxDeviceCgroup) []rule {
	r := rule{devices: devices{false, anyNum, anyNum}, allow: d.Allow, source: resources + source}
	for i, n := range [2]*int64{d.Major, d.Minor} {
		name, field := "major", &r.major
		if i == 1 {
			name, field = "minor", &r.minor
		}
		if n == nil || *n == -1 { // runc and the engines write -1 for "all"
			continue
		}
		if *n < 0 || *n > maxRuleNumber {
			c.fail(source+"."+name, "%d is not a %s number: 0 to %d, or absent for all", *n, name, maxRuleNumber)
		}
		*field = *n
	}
	for _, ch := range d.Access {
		switch ch {
		case 'r':
			r.access |= accessRead
		case 'w':
			r.access |= accessWrite
		case 'm':
			r.access |= accessMknod
		}
	}
	if r.access == 0 {
		c.fail(source+".access", "%q has none of r, w and m, so the rule covers no access", d.Access)
	}
	switch d.Type {
	case "c":
		return []rule{r}
	case "b":
		r.block = true
		return []rule{r}
	case "", "a":
		b := r
		b.block = true
		return []rule{r, b}
	}
	c.fail(source+".type", "%q is not a, b or c", d.Type)
	return nil
}

// add appends rules. Those for all accesses to all devices become the default.
func (p *policy) add(rules ...rule) {
	if len(rules) == 2 && rules[0].major == anyNum && rules[0].minor == anyNum && rules[0].access == accessAll {
		p.allow, p.rules = rules[0].allow, nil
		return
	}
	for _, r := range rules {
		if len(p.rules) == 0 && r.allow == p.allow {
			continue // same as the default
		}
		p.rules = append(p.rules, r)
	}
}

// String formats the policy in the syntax of devices.allow and devices.deny.
func (p policy) String() string {
	var b strings.Builder
	word := func(allow bool) string {
		if allow {
			return "allow "
		}
		return "deny "
	}
	b.WriteString(word(p.allow) + "a *:* rwm")
	for _, r := range p.rules {
		b.WriteString("\n" + word(r.allow) + r.devices.String() + " " + r.access.String())
	}
	return b.String()
}

// exception is an entry of the v1 controller: a set of devices whose accesses differ
// from the default.
type exception struct {
	devices
	access access
	source string
}

// reduce computes the exceptions that are equivalent to the rules. v1 has no order, so
// a rule that reverts part of an earlier, wider exception cannot be expressed; fails
// is that rule.
func (p policy) reduce() (out []exception, fails *rule) {
	for i := range p.rules {
		r := &p.rules[i]
		if r.allow != p.allow {
			out = merge(out, exception{r.devices, r.access, r.source})
			continue
		}
		kept := out[:0]
		for _, e := range out {
			if e.access&r.access != 0 && e.overlaps(r.devices) {
				if !r.covers(e.devices) {
					return nil, r
				}
				e.access &^= r.access
			}
			if e.access != 0 {
				kept = append(kept, e)
			}
		}
		out = kept
	}
	return out, nil
}

// merge adds an exception; several for the same devices are merged into one, as in the
// kernel.
func merge(list []exception, e exception) []exception {
	for i := range list {
		if list[i].devices == e.devices {
			list[i].access |= e.access
			return list
		}
	}
	return append(list, e)
}

// flipped returns the same policy with the opposite default: "all but" becomes a list.
func (p policy) flipped() policy {
	f := policy{allow: !p.allow}
	for _, block := range [2]bool{false, true} {
		f.rules = append(f.rules, rule{devices{block, anyNum, anyNum}, p.allow, accessAll, defaultsSource})
	}
	f.rules = append(f.rules, p.rules...)
	return f
}

// forV1 returns the policy as a default and exceptions, with whichever default can
// express it.
func (p policy) forV1() (policy, []exception, error) {
	exceptions, fails := p.reduce()
	if fails != nil {
		f := p.flipped()
		if flipped, still := f.reduce(); still == nil {
			p, exceptions, fails = f, flipped, nil
		}
	}
	if fails != nil {
		return p, nil, &Error{Path: fails.source, Err: fmt.Errorf("%s %s reverts part of an earlier, wider rule, which the v1 devices controller cannot express: name the devices of the wider rule one by one",
			fails.devices, fails.access)}
	}
	return p, exceptions, nil
}

// devices1 writes the policy to devices.deny and devices.allow. A new cgroup has its
// parent's rules, so the default is always written first; only if it is "allow all",
// which the parent usually has, is it read before writing.
func (c *compiler) devices1(p policy) {
	p, exceptions, err := p.forV1()
	if err != nil {
		c.err = err
		return
	}
	const all = "a *:* rwm"
	write := func(file, value, source string) Value {
		return Value{Controller: "devices", File: file, Value: value, Source: source, Verify: VerifyNone}
	}
	if p.allow {
		ground := write("devices.allow", all, resources+"devices")
		if len(exceptions) == 0 {
			c.out = append(c.out, Value{Controller: "devices", File: "devices.list", Value: all,
				Source: resources + "devices", Verify: VerifyDevices, Or: &ground})
			return
		}
		c.out = append(c.out, ground)
		for _, e := range exceptions {
			// devices.list does not show these, so there is nothing to verify.
			c.out = append(c.out, write("devices.deny", e.devices.String()+" "+e.access.String(), e.source))
		}
		return
	}
	c.out = append(c.out, write("devices.deny", all, resources+"devices"))
	list := make([]string, 0, len(exceptions))
	for _, e := range exceptions {
		line := e.devices.String() + " " + e.access.String()
		list = append(list, line)
		c.out = append(c.out, write("devices.allow", line, e.source))
	}
	c.out = append(c.out, Value{Controller: "devices", File: "devices.list", Value: strings.Join(list, "\n"),
		Source: resources + "devices", Verify: VerifyDevices})
}
