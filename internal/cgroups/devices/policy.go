package devices

import (
	"fmt"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Path is the place of the rules in config.json.
const Path = "linux.resources.devices"

// Error reports a rule that cannot be read or enforced.
type Error struct {
	Path string // the JSON path, such as linux.resources.devices[1].access
	Err  error
}

func (e *Error) Error() string { return e.Path + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// rule is one entry of linux.resources.devices.
type rule struct {
	nodes
	allow  bool
	access access
	source string // its JSON path
}

// Policy is the default (the answer if no rule matches the access) and the rules in
// order. A rule for every access to every device cancels all before it and becomes the
// default.
type Policy struct {
	allow bool
	rules []rule
}

// defaultRules allow devices to every container, after the rules of config.json: the
// nodes of config-linux.md "Default Devices", the terminals of its devpts (136:*),
// TUN/TAP, and mknod of anything, which gives no access. The list is the one that runc
// sets (as seen in devices.list).
var defaultRules = [...]rule{
	{nodes: nodes{false, anyNumber, anyNumber}, access: accessMknod},
	{nodes: nodes{true, anyNumber, anyNumber}, access: accessMknod},
	{nodes: nodes{false, 1, 3}, access: accessAll},           // null
	{nodes: nodes{false, 1, 8}, access: accessAll},           // random
	{nodes: nodes{false, 1, 7}, access: accessAll},           // full
	{nodes: nodes{false, 5, 0}, access: accessAll},           // tty
	{nodes: nodes{false, 1, 5}, access: accessAll},           // zero
	{nodes: nodes{false, 1, 9}, access: accessAll},           // urandom
	{nodes: nodes{false, 136, anyNumber}, access: accessAll}, // pts/*
	{nodes: nodes{false, 5, 2}, access: accessAll},           // ptmx
	{nodes: nodes{false, 10, 200}, access: accessAll},        // net/tun
}

const defaultSource = Path + " (devices every container has)"

// Parse reads the rules of config.json, and adds the devices that every container has.
// The error is an [Error].
func Parse(list []specs.LinuxDeviceCgroup) (Policy, error) {
	p := Policy{}
	for i := range list {
		rules, err := parseRule(fmt.Sprintf("%s[%d]", Path, i), &list[i])
		if err != nil {
			return Policy{}, err
		}
		p.add(rules...)
	}
	for _, r := range defaultRules {
		r.allow, r.source = true, defaultSource
		p.add(r)
	}
	return p, nil
}

// parseRule parses one entry. "a", or no type, means both kinds of device.
func parseRule(source string, d *specs.LinuxDeviceCgroup) ([]rule, error) {
	major, err := parseNumber(source, "major", d.Major)
	if err != nil {
		return nil, err
	}
	minor, err := parseNumber(source, "minor", d.Minor)
	if err != nil {
		return nil, err
	}
	r := rule{nodes: nodes{false, major, minor}, allow: d.Allow, access: parseAccess(d.Access), source: source}
	if r.access == 0 {
		err := fmt.Errorf("%q has none of r, w and m, so the rule covers no access", d.Access)
		return nil, &Error{source + ".access", err}
	}
	block := r
	block.block = true
	switch d.Type {
	case "c":
		return []rule{r}, nil
	case "b":
		return []rule{block}, nil
	case "", "a":
		return []rule{r, block}, nil
	}
	return nil, &Error{source + ".type", fmt.Errorf("%q is not a, b or c", d.Type)}
}

// parseNumber reads a major or minor number. An absent one, or the -1 that runc and the
// engines write, means all.
func parseNumber(source, name string, n *int64) (int64, error) {
	if n == nil || *n == anyNumber {
		return anyNumber, nil
	}
	if *n < 0 || *n > maxRuleNumber {
		err := fmt.Errorf("%d is not a %s number: 0 to %d, or absent for all", *n, name, maxRuleNumber)
		return 0, &Error{source + "." + name, err}
	}
	return *n, nil
}

// add appends rules. Those for all accesses to all devices become the default.
func (p *Policy) add(rules ...rule) {
	if len(rules) == 2 && rules[0].major == anyNumber && rules[0].minor == anyNumber && rules[0].access == accessAll {
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

// String formats the policy in the syntax of devices.allow and devices.deny, a line for
// the default and one for each rule.
func (p Policy) String() string {
	var b strings.Builder
	verb := func(allow bool) string {
		if allow {
			return "allow "
		}
		return "deny "
	}
	b.WriteString(verb(p.allow) + allDevices)
	for _, r := range p.rules {
		b.WriteString("\n" + verb(r.allow) + r.nodes.String() + " " + r.access.String())
	}
	return b.String()
}
