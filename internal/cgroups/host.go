// This file examines the host: which cgroup hierarchies are mounted, where, and which
// cgroup this process is in. It reads; it changes nothing.

package cgroups

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	lib "github.com/containerd/cgroups/v3"
	"golang.org/x/sys/unix"
)

// Mode is how the host has cgroups mounted, see cgroups(7).
type Mode int

const (
	V1     Mode = iota + 1 // every controller on a v1 hierarchy
	Hybrid                 // v1 hierarchies and a v2 tree alongside them
	V2                     // one v2 tree on /sys/fs/cgroup
)

func (m Mode) String() string {
	switch m {
	case V1:
		return "v1"
	case Hybrid:
		return "hybrid"
	case V2:
		return "v2"
	}
	return fmt.Sprintf("Mode(%d)", int(m))
}

// Hierarchy is one mounted cgroup tree.
type Hierarchy struct {
	// Controllers are the v1 controllers as named in /proc/self/cgroup ("cpu",
	// "cpuacct", "name=systemd"), or those that a v2 tree can enable.
	Controllers []string
	// Mount is the mount point, e.g. /sys/fs/cgroup/memory.
	Mount string
	// Root is the cgroup visible at Mount: "/" unless only a part of the tree is
	// mounted, as inside a container without a cgroup namespace.
	Root string
	// Own is the cgroup of this process, from the root of the tree.
	Own string
}

// own returns this process's cgroup as a path below the mount point.
func (t *Hierarchy) own() string {
	rel, err := filepath.Rel(t.Root, t.Own)
	if err != nil || rel == ".." || strings.HasPrefix(rel, "../") {
		return "/" // outside what is mounted: only the mount's root is accessible
	}
	return filepath.Join("/", rel)
}

// Host describes the cgroups of a host. [Detect] fills it in; tests construct it.
type Host struct {
	Mode Mode
	V1   []Hierarchy // in the order of /proc/self/mountinfo
	V2   *Hierarchy  // nil on a v1 host
}

const cgroupRoot = "/sys/fs/cgroup"

// Typical returns a host as systemd sets it up, with all controllers, for plans of
// containers on hosts other than this one. Hybrid is no longer typical.
func Typical(mode Mode) *Host {
	if mode == V2 {
		all := []string{"cpuset", "cpu", "io", "memory", "hugetlb", "pids", "rdma", "misc"}
		return &Host{Mode: V2, V2: &Hierarchy{Controllers: all, Mount: cgroupRoot, Root: "/", Own: "/"}}
	}
	h := &Host{Mode: V1}
	for _, c := range []string{"name=systemd", "cpu,cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "hugetlb", "net_cls,net_prio", "perf_event"} {
		h.V1 = append(h.V1, Hierarchy{Controllers: strings.Split(c, ","), Mount: cgroupRoot + "/" + strings.TrimPrefix(c, "name="), Root: "/", Own: "/"})
	}
	return h
}

// ErrUnavailable means that the host has no cgroup filesystem mounted.
var ErrUnavailable = errors.New("no cgroup filesystem is mounted on " + cgroupRoot)

// Detect looks at /sys/fs/cgroup, /proc/self/cgroup and, unless the host is
// all v2, /proc/self/mountinfo, each once.
func Detect() (*Host, error) {
	mode := lib.Mode()
	if mode == lib.Unavailable {
		return nil, ErrUnavailable
	}
	own, err := readAll("/proc/self/cgroup")
	if err != nil {
		return nil, fmt.Errorf("find the cgroups of this process: %w", err)
	}
	v1, v2 := parseOwn(own)
	if mode == lib.Unified {
		// The mount point on a v2 host is known, so the mount table, which can be
		// thousands of lines long, need not be read.
		tree := &Hierarchy{Mount: cgroupRoot, Root: "/", Own: v2}
		tree.Controllers, err = v2Controllers(tree.Mount)
		return &Host{Mode: V2, V2: tree}, err
	}
	table, err := readAll("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("find the cgroup hierarchies: %w", err)
	}
	h := parseHierarchies(table, v1, v2)
	if len(h.V1) == 0 && h.V2 == nil {
		return nil, ErrUnavailable
	}
	if h.V2 != nil {
		h.V2.Controllers, err = v2Controllers(h.V2.Mount)
	}
	return h, err
}

// readAll is os.ReadFile without the runtime's poller, which would be set up for
// these two files at every start.
func readAll(path string) (string, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer func() { _ = unix.Close(fd) }()
	buf := make([]byte, 0, 4096)
	for {
		if len(buf) == cap(buf) {
			buf = slices.Grow(buf, len(buf))
		}
		n, err := unix.Read(fd, buf[len(buf):cap(buf)])
		if n > 0 {
			buf = buf[:len(buf)+n]
		}
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return "", &fs.PathError{Op: "read", Path: path, Err: err}
		case n == 0:
			return string(buf), nil
		}
	}
}

// parseOwn reads /proc/self/cgroup (cgroups(7)): the path in each v1 hierarchy
// by controller, and the one in the v2 tree.
func parseOwn(table string) (v1 map[string]string, v2 string) {
	v1 = map[string]string{}
	for line := range strings.Lines(table) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		switch {
		case len(fields) < 3:
		case fields[1] == "":
			v2 = fields[2]
		default:
			for controller := range strings.SplitSeq(fields[1], ",") {
				v1[controller] = fields[2]
			}
		}
	}
	return v1, v2
}

// parseHierarchies finds the cgroup mounts in a mount table (the format is in
// proc_pid_mountinfo(5)). own and ownV2 are this process's cgroups.
func parseHierarchies(table string, own map[string]string, ownV2 string) *Host {
	h := &Host{Mode: V1}
	for line := range strings.Lines(table) {
		left, right, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " - ")
		if !ok || !strings.HasPrefix(right, "cgroup") {
			continue
		}
		l, r := strings.Fields(left), strings.Fields(right)
		if len(l) < 6 || len(r) < 3 {
			continue
		}
		t := Hierarchy{Root: unescape(l[3]), Mount: unescape(l[4])}
		if r[0] == "cgroup2" {
			// Only the tree next to the v1 hierarchies: a private mount of cgroup2
			// elsewhere, made by a container or a tool, is not the host's.
			if h.V2 == nil && strings.HasPrefix(t.Mount, cgroupRoot+"/") {
				t.Own = ownV2
				h.V2, h.Mode = &t, Hybrid
			}
			continue
		}
		for opt := range strings.SplitSeq(r[2], ",") {
			if path, ok := own[opt]; ok && !h.has(opt) {
				t.Controllers = append(t.Controllers, opt)
				t.Own = path
			}
		}
		if len(t.Controllers) > 0 {
			h.V1 = append(h.V1, t)
		}
	}
	return h
}

// has reports whether a v1 hierarchy with this controller is already known: a
// hierarchy can be mounted twice, and the first mount is the usual one.
func (h *Host) has(controller string) bool { return h.v1(controller) != nil }

// v1 returns the v1 hierarchy of a controller, nil if there is none.
func (h *Host) v1(controller string) *Hierarchy {
	for i := range h.V1 {
		if slices.Contains(h.V1[i].Controllers, controller) {
			return &h.V1[i]
		}
	}
	return nil
}

// v2 reports whether the v2 tree can enable a controller.
func (h *Host) v2(controller string) bool {
	return h.V2 != nil && slices.Contains(h.V2.Controllers, controller)
}

func v2Controllers(mount string) ([]string, error) {
	b, err := readAll(mount + "/cgroup.controllers")
	if err != nil {
		return nil, fmt.Errorf("find the controllers of the v2 tree: %w", err)
	}
	return strings.Fields(b), nil
}

// unescape undoes the \ooo escapes of mountinfo (space, tab, newline, \).
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			b.WriteByte((s[i+1]-'0')<<6 | (s[i+2]-'0')<<3 | (s[i+3] - '0'))
			i += 3
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// Place returns the directory of a cgroup, named as in /proc/PID/cgroup, in this
// hierarchy's mount; ok is false if only another part of the tree is mounted.
func (t *Hierarchy) Place(name string) (dir string, ok bool) {
	below, ok := strings.CutPrefix(name, strings.TrimSuffix(t.Root, "/"))
	return t.Mount + below, ok && strings.HasPrefix(below, "/")
}
