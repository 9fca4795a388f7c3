// Package systemd has systemd create a container's cgroup, as a transient scope
// (org.freedesktop.systemd1(5), "StartTransientUnit"). It needs cgroup v2 and systemd
// 244.
//
//	unit.go    which unit a container gets, and where its cgroup is (pure)
//	client.go  calls minirun-systemd, a program installed next to minirun
//	manager    what that program does: properties of the unit, D-Bus
//
// It is a separate program because a D-Bus library costs every start of minirun a
// quarter of a millisecond (docs/performance.md), and most users never need it.
//
// minirun writes limits into the cgroup's files itself, and reads them back. Those
// that systemd has properties for are set there too, so that it does not overwrite
// them when it is reloaded.
package systemd

import (
	"fmt"
	"strings"
)

// A Unit is the scope of a container.
type Unit struct {
	Name  string `json:"name"`           // "minirun-box.scope"
	Slice string `json:"slice"`          // "system.slice"
	User  bool   `json:"user,omitempty"` // the user's systemd, not the system's
}

// NewUnit returns the unit of a container. linux.cgroupsPath is "slice:prefix:name", as for
// runc; slice and prefix may be empty, or the whole string.
func NewUnit(cgroupsPath, id string, user bool) (Unit, error) {
	u := Unit{Slice: "system.slice", User: user}
	if user {
		u.Slice = "user.slice"
	}
	slice, prefix, name := "", "minirun", id
	if cgroupsPath != "" {
		parts := strings.Split(cgroupsPath, ":")
		if len(parts) != 3 || parts[2] == "" {
			return u, fmt.Errorf(`must be "slice:prefix:name" with --systemd-cgroup`)
		}
		slice, prefix, name = parts[0], parts[1], parts[2]
	}
	if slice != "" {
		u.Slice = slice
	}
	if _, err := expandSlice(u.Slice); err != nil {
		return u, err
	}
	if strings.HasSuffix(name, ".slice") {
		return u, fmt.Errorf("%q is a slice, which cannot have processes: a container gets a scope", name)
	}
	if prefix != "" {
		name = prefix + "-" + name
	}
	u.Name = escapeName(name) + ".scope"
	if len(u.Name) > 255 {
		return u, fmt.Errorf("%q is longer than the 255 bytes of a unit's name", u.Name)
	}
	return u, nil
}

// Path returns the unit's cgroup below that of its manager.
func (u *Unit) Path() string {
	slices, _ := expandSlice(u.Slice) // checked by NewUnit
	return slices + "/" + u.Name
}

// expandSlice converts "a-b.slice" to "/a.slice/a-b.slice": a slice's name encodes its path
// (systemd.slice(5)). "-.slice" is the root.
func expandSlice(slice string) (string, error) {
	name, ok := strings.CutSuffix(slice, ".slice")
	if name == "-" && ok {
		return "", nil
	}
	if !ok || name == "" || strings.ContainsAny(slice, "/ ") || strings.Contains("-"+name+"-", "--") {
		return "", fmt.Errorf("%q is not the name of a slice, such as system.slice or a-b.slice", slice)
	}
	path := ""
	for i := range len(name) + 1 {
		if i == len(name) || name[i] == '-' {
			path += "/" + name[:i] + ".slice"
		}
	}
	return path, nil
}

// escapeName escapes characters that a unit's name cannot contain, as systemd-escape(1)
// does.
func escapeName(name string) string {
	var b strings.Builder
	for i := range len(name) {
		ch := name[i]
		switch {
		case ch >= 'a' && ch <= 'z', ch >= 'A' && ch <= 'Z', ch >= '0' && ch <= '9', strings.IndexByte(`:-_.\`, ch) >= 0:
			b.WriteByte(ch)
		default:
			fmt.Fprintf(&b, `\x%02x`, ch)
		}
	}
	return b.String()
}
