// This file manages a container's cgroup as directories: naming them, creating them,
// and moving processes into them.

package cgroups

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/debuglog"
)

// Group is the cgroup of one container: a directory in every hierarchy. Its methods
// are not safe for concurrent use.
type Group struct {
	dirs []dir // one per hierarchy: v1 in the host's order, then v2
	only bool  // there is only the v2 tree
	made []string
}

type dir struct {
	keys  []string // controllers; "" for the v2 tree
	path  string   // absolute
	mount string   // the hierarchy's mount point; "" if the group was opened from paths
	own   string   // this process's cgroup in the hierarchy; "" in the same case
}

func (d *dir) v2() bool { return d.keys[0] == "" }

// Group returns the container's cgroup; path is a result of [Path]. No side effects.
func (h *Host) Group(path string) *Group {
	g := &Group{only: h.Mode == V2}
	for i := range h.V1 {
		t := &h.V1[i]
		g.dirs = append(g.dirs, dir{t.Controllers, t.dir(path, false), t.Mount, filepath.Join(t.Mount, t.own())})
	}
	if h.V2 != nil {
		g.dirs = append(g.dirs, dir{[]string{""}, h.V2.dir(path, g.only), h.V2.Mount, filepath.Join(h.V2.Mount, h.V2.own())})
	}
	return g
}

// Own returns the group that this process is in.
func (h *Host) Own() *Group {
	g := &Group{only: h.Mode == V2}
	for i := range h.V1 {
		t := &h.V1[i]
		own := filepath.Join(t.Mount, t.own())
		g.dirs = append(g.dirs, dir{t.Controllers, own, t.Mount, own})
	}
	if h.V2 != nil {
		own := filepath.Join(h.V2.Mount, h.V2.own())
		g.dirs = append(g.dirs, dir{[]string{""}, own, h.V2.Mount, own})
	}
	return g
}

// Open returns the group with the directories in state.json's cgroup_paths.
func Open(paths map[string]string) *Group {
	g := &Group{}
	for _, key := range slices.Sorted(maps.Keys(paths)) {
		if paths[key] == "" || key == "" {
			continue
		}
		if i := slices.IndexFunc(g.dirs, func(d dir) bool { return d.path == paths[key] }); i >= 0 {
			g.dirs[i].keys = append(g.dirs[i].keys, key) // "cpu,cpuacct"
			continue
		}
		g.dirs = append(g.dirs, dir{keys: []string{key}, path: paths[key]})
	}
	if p := paths[""]; p != "" {
		g.only = len(g.dirs) == 0
		g.dirs = append(g.dirs, dir{keys: []string{""}, path: p})
	}
	return g
}

// Open is like the function, but also finds the mount points, which are needed to
// enable a v2 controller.
func (h *Host) Open(paths map[string]string) *Group {
	g := Open(paths)
	for i := range g.dirs {
		d := &g.dirs[i]
		if t := h.V2; d.v2() && t != nil && strings.HasPrefix(d.path, t.Mount+"/") {
			d.mount = t.Mount
		} else if t := h.v1(d.keys[0]); !d.v2() && t != nil && strings.HasPrefix(d.path, t.Mount+"/") {
			d.mount = t.Mount
		}
	}
	return g
}

// Paths returns a directory for each controller ("cpu", "name=systemd"; "" for the v2
// tree), as in state.json's cgroup_paths.
func (g *Group) Paths() map[string]string {
	paths := make(map[string]string, len(g.dirs)+1)
	for _, d := range g.dirs {
		for _, key := range d.keys {
			paths[key] = d.path
		}
	}
	return paths
}

// Dirs returns the group's directories.
func (g *Group) Dirs() []string {
	var dirs []string
	for _, d := range g.dirs {
		dirs = append(dirs, d.path)
	}
	return dirs
}

// Names returns the group's path in each hierarchy, as in /proc/PID/cgroup, by its
// controllers: "cpu,cpuacct", "name=systemd", "" for the v2 tree.
func (g *Group) Names(h *Host) map[string]string {
	names := make(map[string]string, len(g.dirs))
	for i := range g.dirs {
		d, t := &g.dirs[i], h.V2
		if !d.v2() {
			t = h.v1(d.keys[0])
		}
		if t != nil {
			names[strings.Join(d.keys, ",")] = filepath.Join(t.Root, strings.TrimPrefix(d.path, t.Mount))
		}
	}
	return names
}

// dir returns the directory for a controller of v1, or the v2 one; nil if there is
// none.
func (g *Group) dir(controller string, v2 bool) *dir {
	if v2 {
		controller = ""
	}
	for i := range g.dirs {
		if slices.Contains(g.dirs[i].keys, controller) {
			return &g.dirs[i]
		}
	}
	return nil
}

// File returns the path of the file that a value is written to, "" if it is not
// written to a file: a device program.
func (g *Group) File(v *Value) string {
	d := g.dir(v.Controller, v.V2)
	if d == nil || v.Program != nil {
		return ""
	}
	return d.path + "/" + v.File
}

// Create creates the missing directories, including parents. An existing cgroup is
// used if it is empty and refused if it, or one below it, has processes, to which the
// limits would apply and which Delete would kill. On an error everything that it
// created is removed again.
func (g *Group) Create() (err error) {
	defer func() {
		if err != nil {
			g.Unmake()
		}
	}()
	for i := range g.dirs {
		d := &g.dirs[i]
		if d.mount == "" {
			return fmt.Errorf("create cgroup %s: its mount point is not known", d.path)
		}
		fresh, err := g.mkdir(d, d.path)
		if err != nil {
			return fmt.Errorf("create cgroup: %w", err)
		}
		if !fresh {
			if err := refuseUsed(d); err != nil {
				return err
			}
		}
		if d.v2() && g.only {
			g.enableAll(d)
		}
	}
	return nil
}

// Writable reports whether this user may create the group and move its own processes
// into it: below a cgroup that was delegated to it (cgroups(7), "Cgroups delegation").
func (g *Group) Writable() bool {
	for i := range g.dirs {
		at := filepath.Dir(g.dirs[i].path)
		for unix.Access(at, unix.F_OK) == unix.ENOENT {
			at = filepath.Dir(at)
		}
		if unix.Access(at, unix.W_OK) != nil || unix.Access(at+"/cgroup.procs", unix.W_OK) != nil {
			return false
		}
	}
	return len(g.dirs) > 0
}

// Unmake removes what Create created, newest first: after a start that failed, the
// parents too.
func (g *Group) Unmake() {
	for _, path := range slices.Backward(g.made) {
		_ = unix.Rmdir(path) // best effort: another container may use a parent by now
	}
	g.made = nil
}

// mkdir creates path and its missing parents; fresh reports whether path is new.
func (g *Group) mkdir(d *dir, path string) (fresh bool, err error) {
	for range 3 {
		err = unix.Mkdir(path, 0o755)
		if err != unix.ENOENT || path == d.mount {
			break
		}
		// A parent can disappear again, when another process's failed Create removes
		// it.
		if _, err := g.mkdir(d, filepath.Dir(path)); err != nil {
			return false, err
		}
	}
	switch err {
	case nil:
		g.made = append(g.made, path)
	case unix.EEXIST:
		return false, g.inheritCPUs(d, path, false)
	case unix.EROFS:
		return false, fmt.Errorf("mkdir %s: %w: the cgroup filesystem is mounted read-only, as in most containers", path, err)
	case unix.EACCES, unix.EPERM:
		return false, fmt.Errorf("mkdir %s: %w: without root, name a cgroup that was delegated to you in linux.cgroupsPath", path, err)
	default:
		return false, fmt.Errorf("mkdir %s: %w", path, err)
	}
	return true, g.inheritCPUs(d, path, true)
}

// inheritCPUs fills cpuset.cpus and cpuset.mems from the parent: a new v1
// cpuset is empty, and no process can enter an empty one.
func (g *Group) inheritCPUs(d *dir, path string, fresh bool) error {
	if path == d.mount || !slices.Contains(d.keys, "cpuset") {
		return nil
	}
	for _, file := range [2]string{"/cpuset.cpus", "/cpuset.mems"} {
		if !fresh {
			if has, err := readText(path + file); err != nil || has != "" {
				return err
			}
		}
		parent := filepath.Dir(path)
		value, err := readText(parent + file)
		if err == nil && value == "" { // created by a process that did not fill it
			if err = g.inheritCPUs(d, parent, false); err == nil {
				value, err = readText(parent + file)
			}
		}
		if err == nil {
			err = writeText(path+file, value)
		}
		if err != nil {
			return fmt.Errorf("inherit %s: %w", file[1:], err)
		}
	}
	return nil
}

// RefuseUsed returns an error if the group exists and has processes, or a cgroup below
// it has.
func (g *Group) RefuseUsed() error {
	for i := range g.dirs {
		if err := refuseUsed(&g.dirs[i]); err != nil && !gone(err) {
			return err
		}
	}
	return nil
}

func refuseUsed(d *dir) error {
	if err := d.refusesProcesses(); err != nil {
		return err
	}
	pids, err := treeProcs(d.path)
	if err == nil && len(pids) > 0 {
		err = fmt.Errorf("container's cgroup is not empty: %d process(es) found in %s, such as %d: choose another linux.cgroupsPath or stop them", len(pids), d.path, pids[0])
	}
	return err
}

// refusesProcesses explains why a v2 cgroup next to or below threaded ones cannot have
// processes (cgroups(7), "Thread mode").
func (d *dir) refusesProcesses() error {
	if !d.v2() {
		return nil
	}
	kind, err := readText(d.path + "/cgroup.type")
	if gone(err) { // before Linux 4.14
		return nil
	}
	if err == nil && (kind == "threaded" || kind == "domain invalid") {
		err = fmt.Errorf("%s: its cgroup.type is %q, because a cgroup next to or above it is threaded, so it cannot have processes: choose another linux.cgroupsPath", d.path, kind)
	}
	return err
}

// RefusesProcesses explains why a process could not be started in the group, if the
// reason is the type of the group.
func (g *Group) RefusesProcesses() error {
	if d := g.dir("", true); d != nil {
		return d.refusesProcesses()
	}
	return nil
}

func enterHint(d *dir, err error) string {
	switch {
	case errors.Is(err, unix.ENOSPC):
		return ": its cpuset has no CPUs or memory nodes"
	case errors.Is(err, unix.EBUSY) && d.v2():
		return ": it has controllers enabled for its children, and then cannot have its own processes (cgroups(7))"
	case errors.Is(err, unix.EOPNOTSUPP) && d.v2():
		return ": it is in an invalid or threaded state, see its cgroup.type (cgroups(7))"
	}
	return ""
}

// Tasks returns the files of the v1 hierarchies that a thread enters by writing "0":
// see the package comment.
func (g *Group) Tasks() []string {
	var files []string
	for _, d := range g.dirs {
		if !d.v2() {
			files = append(files, d.path+"/tasks")
		}
	}
	return files
}

// Dir opens the v2 directory for CLONE_INTO_CGROUP; nil, nil on a v1 host.
func (g *Group) Dir() (*os.File, error) {
	d := g.dir("", true)
	if d == nil {
		return nil, nil
	}
	fd, err := unix.Open(d.path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: d.path, Err: err}
	}
	return os.NewFile(uintptr(fd), d.path), nil
}

// Add moves a process with all its threads into the group. The first write may wait
// for the kernel, see the package comment; writing sequentially is no slower than in
// parallel, since all wait for the same lock.
func (g *Group) Add(pid int) error {
	if pid <= 0 {
		return fmt.Errorf("move process %d into the cgroup: not a process ID", pid)
	}
	for i := range g.dirs {
		d := &g.dirs[i]
		var err error
		for range 5 {
			// EINVAL: the process has not run yet and the hierarchy schedules
			// realtime groups.
			if err = writeText(d.path+"/cgroup.procs", strconv.Itoa(pid)); !errors.Is(err, unix.EINVAL) {
				break
			}
			time.Sleep(2 * time.Millisecond)
		}
		if errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("move process %d into cgroup %s: %w: the process exited", pid, d.path, err)
		}
		if err != nil {
			return fmt.Errorf("move process %d into the cgroup: %w%s", pid, err, enterHint(d, err))
		}
	}
	return nil
}

// writeText writes a value in a single write(2), which cgroup files require.
func writeText(path, value string) error {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	if err := writeWhole(fd, value); err != nil {
		return fmt.Errorf("write %q to %s: %w", value, path, err)
	}
	debuglog.Printf("wrote %q to %s", value, path)
	return nil
}

// writeWhole writes a value to an open cgroup file. The kernel aborts some writes if a
// signal is pending, even if it is one of the Go runtime's: those of memory limits in
// version 1.
func writeWhole(fd int, value string) error {
	for {
		_, err := unix.Pwrite(fd, []byte(value), 0)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// readText reads a whole cgroup file, without the trailing newline.
func readText(path string) (string, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	s, err := readFD(fd)
	if err != nil {
		return "", &fs.PathError{Op: "read", Path: path, Err: err}
	}
	return strings.TrimRight(s, "\n"), nil
}

// readFD reads a cgroup file from the start to the end. A read that leaves half the
// buffer empty was the last: the kernel returns whole lines, none of which is longer
// than that.
func readFD(fd int) (string, error) {
	buf := make([]byte, 0, 4096)
	for {
		n, err := unix.Pread(fd, buf[len(buf):cap(buf)], int64(len(buf)))
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return "", err
		}
		buf = buf[:len(buf)+n]
		if n == 0 || len(buf) < cap(buf)/2 {
			return string(buf), nil
		}
		if len(buf) == cap(buf) {
			buf = slices.Grow(buf, cap(buf))
		}
	}
}
