package devices

import (
	"fmt"
	"strconv"
	"strings"
)

// allDevices is the rule of the v1 controller for every access to every device. It
// replaces all other rules; devices.list contains it, alone, if everything is allowed.
const allDevices = "a *:* rwm"

// exception is an entry of the v1 controller: a set of devices whose accesses differ
// from the default.
type exception struct {
	nodes
	access access
	source string // the JSON path of the rule it came from
}

// String returns the entry as in devices.list: "c 1:3 rwm".
func (e exception) String() string { return e.nodes.String() + " " + e.access.String() }

// V1 is a policy in the form of the v1 devices controller (Linux 2.6.26 and later,
// admin-guide/cgroup-v1/devices.rst): a default and exceptions without order.
type V1 struct {
	allow      bool
	exceptions []exception
}

// Write is one write to devices.allow or devices.deny.
type Write struct {
	File, Line string
	Source     string // the JSON path that requested it
}

// V1 converts the policy, with whichever default can express it. A rule that reverts part
// of an earlier, wider one may not be expressible: the error is an [Error].
func (p Policy) V1() (V1, error) {
	exceptions, bad := p.reduce()
	if bad != nil {
		inverted := p.invertDefault()
		if list, stillBad := inverted.reduce(); stillBad == nil {
			p, exceptions, bad = inverted, list, nil
		}
	}
	if bad != nil {
		return V1{}, &Error{bad.source, fmt.Errorf("%s %s reverts part of an earlier, wider rule, which the v1 devices "+
			"controller cannot express\nhint: name the devices of the wider rule one by one", bad.nodes, bad.access)}
	}
	return V1{p.allow, exceptions}, nil
}

// reduce computes the exceptions that are equivalent to the rules. v1 has no order, so
// a rule that reverts part of an earlier, wider exception cannot be expressed; bad is
// that rule.
func (p Policy) reduce() (out []exception, bad *rule) {
	for i := range p.rules {
		r := &p.rules[i]
		if r.allow != p.allow {
			out = addException(out, exception{r.nodes, r.access, r.source})
			continue
		}
		remaining := out[:0]
		for _, e := range out {
			if e.access&r.access != 0 && e.overlaps(r.nodes) {
				if !r.covers(e.nodes) {
					return nil, r
				}
				e.access &^= r.access
			}
			if e.access != 0 {
				remaining = append(remaining, e)
			}
		}
		out = remaining
	}
	return out, nil
}

// addException adds an exception; several for the same devices are merged into one, as
// in the kernel.
func addException(list []exception, e exception) []exception {
	for i := range list {
		if list[i].nodes == e.nodes {
			list[i].access |= e.access
			return list
		}
	}
	return append(list, e)
}

// invertDefault returns the same policy with the opposite default: "all except" becomes
// a list.
func (p Policy) invertDefault() Policy {
	inverted := Policy{allow: !p.allow}
	for _, block := range [2]bool{false, true} {
		inverted.rules = append(inverted.rules, rule{nodes{block, anyNumber, anyNumber}, p.allow, accessAll, defaultSource})
	}
	inverted.rules = append(inverted.rules, p.rules...)
	return inverted
}

// AllowsByDefault reports whether the exceptions are what is denied.
func (v V1) AllowsByDefault() bool { return v.allow }

// AllowsAll reports whether every device is allowed.
func (v V1) AllowsAll() bool { return v.allow && len(v.exceptions) == 0 }

// Writes returns the writes that give a cgroup these rules, whatever it had before: a
// new cgroup has its parent's.
func (v V1) Writes() []Write {
	file, exceptionFile := "devices.deny", "devices.allow"
	if v.allow {
		file, exceptionFile = exceptionFile, file
	}
	writes := make([]Write, 0, 1+len(v.exceptions))
	writes = append(writes, Write{file, allDevices, Path})
	for _, e := range v.exceptions {
		writes = append(writes, Write{exceptionFile, e.String(), e.source})
	}
	return writes
}

// List returns the content of devices.list after [V1.Writes], up to the order of the
// lines. The file does not show what is denied: ok is false if it cannot be compared.
func (v V1) List() (list string, ok bool) {
	if v.allow {
		return allDevices, len(v.exceptions) == 0
	}
	lines := make([]string, 0, len(v.exceptions))
	for _, e := range v.exceptions {
		lines = append(lines, e.String())
	}
	return strings.Join(lines, "\n"), true
}

// IsAllowAll reports whether a devices.list allows every device by default: it then does
// not show the exceptions.
func IsAllowAll(list string) bool { return list == allDevices }

// ChangesFrom returns the writes that change a cgroup from the exceptions in its
// devices.list to these, new ones first. Both must deny by default.
func (v V1) ChangesFrom(list string) []Write { return changes(list, v.exceptions) }

// RestoreList returns the writes that change a cgroup from the exceptions in its
// devices.list back to those of an earlier content.
func RestoreList(list, earlier string) []Write { return changes(list, parseList(earlier)) }

func changes(list string, want []exception) (writes []Write) {
	current := map[nodes]access{}
	exceptions := parseList(list)
	for _, e := range exceptions {
		current[e.nodes] |= e.access
	}
	add := func(file string, e exception, a access) {
		if e.access = a; a != 0 {
			writes = append(writes, Write{file, e.String(), e.source})
		}
	}
	wanted := map[nodes]access{}
	for _, e := range want {
		wanted[e.nodes] = e.access
		add("devices.allow", e, e.access&^current[e.nodes])
	}
	for _, e := range exceptions { // in the order of the list, so that the same change gives the same list
		add("devices.deny", e, e.access&^wanted[e.nodes])
	}
	return writes
}

// parseList parses the exceptions of a devices.list.
func parseList(list string) (out []exception) {
	for line := range strings.Lines(list) {
		f := strings.Fields(line)
		if len(f) != 3 {
			continue
		}
		major, minor, _ := strings.Cut(f[1], ":")
		n := nodes{f[0] == "b", parseListNumber(major), parseListNumber(minor)}
		out = append(out, exception{nodes: n, access: parseAccess(f[2]), source: Path})
	}
	return out
}

func parseListNumber(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil { // "*"
		return anyNumber
	}
	return n
}
