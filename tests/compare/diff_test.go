// Differences between runs, which of them are declared, and the table.
package compare

import (
	"fmt"
	"sort"
	"strings"
	"testing"
)

// allowed declares one difference between minirun and runc. Field may contain *, which matches any
// text.
type allowed struct {
	field  string
	want   string // what minirun shows instead, * matches any text; "" means the field is absent
	reason string
}

// covers reports whether a declaration matches a difference.
func (a *allowed) covers(d difference) bool {
	want := a.want
	if want == "" {
		want = absent
	}
	return glob(a.field, d.field) && glob(want, d.it)
}

// equivalence declares that two values of a field have the same meaning, although they are written
// differently.
type equivalence struct {
	field  string
	same   func(runc, it string) bool
	reason string
}

type difference struct {
	field          string
	runc, crun, it string
	declared       *allowed
}

const absent = "(absent)"

func value(f Fields, name string) string {
	if f == nil {
		return "(not run)"
	}
	v, ok := f[name]
	if !ok {
		return absent
	}
	return v
}

// diff lists the fields in which it (the candidate) differs from runc.
func diff(runc, crun, it Fields, declared []allowed) (differences []difference) {
	names := map[string]bool{}
	for name := range runc {
		names[name] = true
	}
	for name := range it {
		names[name] = true
	}
	for name := range names {
		if value(runc, name) == value(it, name) {
			continue
		}
		d := difference{field: name, runc: value(runc, name), crun: value(crun, name), it: value(it, name)}
		for i := range declared {
			if declared[i].covers(d) {
				d.declared = &declared[i]
				break
			}
		}
		for _, e := range equivalences {
			if d.declared == nil && glob(e.field, name) && e.same(d.runc, d.it) {
				d.declared = &allowed{e.field, d.it, e.reason}
			}
		}
		differences = append(differences, d)
	}
	sort.Slice(differences, func(i, j int) bool { return differences[i].field < differences[j].field })
	return differences
}

// glob matches text against a pattern in which * matches any text, including slashes and dots.
func glob(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == text
	}
	if !strings.HasPrefix(text, parts[0]) {
		return false
	}
	text = text[len(parts[0]):]
	last := parts[len(parts)-1]
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(text, part)
		if i < 0 {
			return false
		}
		text = text[i+len(part):]
	}
	return strings.HasSuffix(text, last)
}

// table renders differences; long values are shortened in the middle so that both ends are visible.
func table(differences []difference, candidate string) string {
	var b strings.Builder
	row := func(cells ...string) {
		for i, cell := range cells {
			width := 34
			if i == 0 {
				width = 44
			}
			fmt.Fprintf(&b, " %-*s", width, shorten(cell, width))
		}
		b.WriteByte('\n')
	}
	row("field", "runc", "crun (for information)", candidate)
	for _, d := range differences {
		row(d.field, d.runc, d.crun, d.it)
		if len(d.runc) > 34 || len(d.it) > 34 {
			fmt.Fprintf(&b, "    first difference in full: runc %q, %s %q\n", apart(d.runc, d.it), candidate, apart(d.it, d.runc))
		}
	}
	return b.String()
}

func shorten(s string, width int) string {
	s = strings.ReplaceAll(s, "\n", "⏎")
	if r := []rune(s); len(r) > width {
		return string(r[:width/2-1]) + "…" + string(r[len(r)-width/2:])
	}
	return s
}

// apart returns the part of a long value that starts shortly before its first difference from the
// other.
func apart(s, other string) string {
	i := 0
	for i < len(s) && i < len(other) && s[i] == other[i] {
		i++
	}
	return s[max(0, i-20):min(len(s), i+80)]
}

func TestDiffOfProbeOutput(t *testing.T) {
	runc := Fields{"same": "1", "in.caps": "a", "only.runc": "x", "in.mount./proc.options": "rw"}
	it := Fields{"same": "1", "in.caps": "b", "only.it": "y", "in.mount./proc.options": "ro"}
	declared := []allowed{
		{field: "in.mount.*.options", want: "ro", reason: "test"},
		{field: "in.caps", want: "c", reason: "another value than declared must not pass"},
		{field: "only.runc", reason: "absent under minirun"},
	}
	got := map[string]bool{}
	for _, d := range diff(runc, nil, it, declared) {
		got[d.field] = d.declared != nil
	}
	want := map[string]bool{"in.caps": false, "only.runc": true, "only.it": false, "in.mount./proc.options": true}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if len(diff(runc, nil, runc, nil)) != 0 {
		t.Error("a run differs from itself")
	}
}

func TestGlobMatchesFieldPaths(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"a", "a", true}, {"a", "ab", false}, {"a*", "ab", true}, {"*b", "ab", true}, {"a*c*e", "abcde", true}, {"a*c*e", "abde", false},
		{"in.mount.*.options", "in.mount./a.b/c.options", true}, {"*", "", true}, {"ab*b", "ab", false},
	} {
		if got := glob(c.pattern, c.text); got != c.want {
			t.Errorf("glob(%q, %q) = %v", c.pattern, c.text, got)
		}
	}
}

func TestMountinfoIsNormalised(t *testing.T) {
	rt := &ociRuntime{name: "test", hostPID: "self"}
	n := &normaliser{rt: rt, replacer: strings.NewReplacer("/b", "$BUNDLE")}
	text := "10 1 0:5 /b/rootfs / ro,relatime shared:12 master:3 - ext4 /dev/x rw\n11 10 0:6 / /proc rw - proc proc rw\n12 11 0:6 /sys /proc ro - proc proc rw\n"
	f := Fields{}
	n.mounts(f, "", text)
	for name, want := range map[string]string{
		"mounts.order": "/ /proc /proc#2", "mount./.root": "$BUNDLE/rootfs", "mount./.propagation": "shared master", "mount./.parent": "none here",
		"mount./proc#2.filesystem": "/proc", "mount./proc#2.root": "/sys", "mount./proc.parent": "/",
	} {
		if f[name] != want {
			t.Errorf("%s = %q, want %q", name, f[name], want)
		}
	}
}
