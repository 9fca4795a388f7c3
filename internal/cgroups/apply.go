// This file writes values to the cgroup's files and reads them back.

package cgroups

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/debuglog"
)

// Apply writes the values that are not Late, each to the file of its controller, and
// reads it back: a limit that the kernel did not accept is an error. On an error the
// values already written stay; the caller then deletes the group.
func (g *Group) Apply(values []Value) error { return g.apply(values, false) }

// ApplyLate writes the Late values, once the container's process is in the group.
func (g *Group) ApplyLate(values []Value) error { return g.apply(values, true) }

func (g *Group) apply(values []Value, late bool) error {
	w := writer{g: g, page: uint64(os.Getpagesize()), fd: -1}
	defer w.close()
	now := make([]*Value, 0, len(values))
	for i := range values {
		if values[i].Late == late {
			now = append(now, &values[i])
		}
	}
	for len(now) > 0 {
		n, err := w.put(now)
		if err != nil {
			return err
		}
		now = now[n:]
	}
	return nil
}

// writer keeps the last file open: a dozen device rules go to one file.
type writer struct {
	g    *Group
	page uint64
	fd   int
	path string
}

func (w *writer) close() {
	if w.fd >= 0 {
		unix.Close(w.fd)
		w.fd = -1
	}
}

// put writes the first value, and the second one too if that has to come before the
// first; n is the number of values written.
func (w *writer) put(values []*Value) (n int, err error) {
	v := values[0]
	err = w.one(v)
	if err == nil {
		return 1, nil
	}
	if !v.SwapNext || len(values) < 2 || !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.EBUSY) {
		return 0, explain(v, err)
	}
	if n, err = w.put(values[1:]); err != nil {
		return 0, err
	}
	if err = w.one(v); err != nil {
		return 0, explain(v, err)
	}
	return 1 + n, nil
}

func explain(v *Value, err error) error {
	return &Error{Path: v.Source, Err: fmt.Errorf("%w%s", err, applyHint(v, err))}
}

// one writes a value, or its alternative if the kernel lacks the file.
func (w *writer) one(v *Value) error {
	d := w.g.dir(v.Controller, v.V2)
	if d == nil {
		return fmt.Errorf("write %q to %s: the container has no cgroup for controller %q", v.Value, v.File, v.Controller)
	}
	if v.Program != nil {
		return attachProgram(d.path, v.Program)
	}
	if v.Verify == VerifyDevices {
		return w.checkDevices(d, v)
	}
	if v.Ceiling != "" {
		if err := w.underCeiling(d, v); err != nil {
			return err
		}
	}
	err := w.write(d, v)
	if v.V2 && v.Controller != "" && errors.Is(err, fs.ErrNotExist) {
		// The controller may not be enabled for this cgroup yet.
		if e := w.g.enable(d, v.Controller); e != nil {
			return e
		}
		err = w.write(d, v)
	}
	if errors.Is(err, fs.ErrNotExist) {
		if v.Or != nil {
			return w.one(v.Or)
		}
		if v.Optional {
			return nil
		}
	}
	return err
}

// write writes one value and reads it back, on one descriptor.
func (w *writer) write(d *dir, v *Value) error {
	path := d.path + "/" + v.File
	if w.path != path || w.fd < 0 {
		flags := unix.O_RDWR
		if v.Verify == VerifyNone {
			flags = unix.O_WRONLY
		}
		w.close()
		fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0)
		if err != nil {
			return &fs.PathError{Op: "open", Path: path, Err: err}
		}
		w.fd, w.path = fd, path
	}
	if err := writeWhole(w.fd, v.Value); err != nil {
		return fmt.Errorf("write %q to %s: %w", v.Value, path, err)
	}
	debuglog.Printf("wrote %q to %s", v.Value, path)
	if v.Verify == VerifyNone {
		return nil
	}
	got, err := readFD(w.fd)
	if err != nil {
		return &fs.PathError{Op: "read back", Path: path, Err: err}
	}
	if !v.holds(got, w.page) {
		return fmt.Errorf("write %q to %s: the kernel accepted it, but the file now contains %q: %w", v.Value, path, strings.TrimSpace(got), ErrNotTaken)
	}
	return nil
}

// ErrNotTaken means that a file, read back, does not contain what was written.
var ErrNotTaken = errors.New("the setting has no effect")

// checkDevices compares devices.list with the rules written before it.
func (w *writer) checkDevices(d *dir, v *Value) error {
	path := d.path + "/" + v.File
	got, err := readText(path)
	if err == nil && !v.holds(got, w.page) && v.Or != nil {
		if err = w.write(d, v.Or); err == nil {
			got, err = readText(path)
		}
	}
	if err == nil && !v.holds(got, w.page) {
		err = fmt.Errorf("%s contains %q instead of %q: %w", path, got, v.Value, ErrNotTaken)
	}
	return err
}

func (w *writer) underCeiling(d *dir, v *Value) error {
	used, err := readText(d.path + "/" + v.Ceiling)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the controller is not enabled yet, so nothing is in use
	}
	if err != nil {
		return err
	}
	n, ok := parseBytes(used)
	limit, ok2 := parseBytes(v.Value)
	if !ok || !ok2 || n > limit {
		return fmt.Errorf("write %q to %s/%s: %s bytes are in use, and linux.resources.memory.checkBeforeUpdate forbids killing processes for the difference", v.Value, d.path, v.File, used)
	}
	return nil
}

// applyHint returns a hint for errors whose cause is known.
func applyHint(v *Value, err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist) && v.Controller == "hugetlb":
		return ": this kernel has no huge pages of that size, see /sys/kernel/mm/hugepages"
	case errors.Is(err, fs.ErrNotExist) && strings.Contains(v.File, "memsw"):
		return ": the kernel does not count swap: boot it with swapaccount=1"
	case errors.Is(err, fs.ErrNotExist):
		return ": this kernel does not have the file"
	case errors.Is(err, unix.EBUSY) && v.Controller == "memory":
		return ": more than that is in use"
	case errors.Is(err, unix.EINVAL) && (v.File == "memory.limit_in_bytes" || v.File == "memory.memsw.limit_in_bytes"):
		return ": the limit of memory cannot be above that of memory and swap together: change both"
	case errors.Is(err, unix.ENODEV) && (v.Controller == "blkio" || v.Controller == "io"):
		return ": the machine has no whole disk with that number, see lsblk (a partition cannot be limited)"
	case errors.Is(err, unix.EOPNOTSUPP) && (v.Controller == "blkio" || v.Controller == "io"):
		return ": the disk's I/O scheduler has no weights: choose bfq in /sys/block/DISK/queue/scheduler"
	case errors.Is(err, unix.EINVAL) && strings.HasPrefix(v.File, "cpu.rt_"):
		return ": the parent cgroup has less realtime time than this left"
	case errors.Is(err, unix.EINVAL) && v.Controller == "cpu":
		return ": quota and period are 1000 to 1000000 microseconds, within the limits of the parent cgroup"
	case (errors.Is(err, unix.EACCES) || errors.Is(err, unix.EINVAL)) && v.Controller == "cpuset":
		return ": the parent cgroup does not have all of these"
	case errors.Is(err, unix.EPERM) && v.Controller == "devices":
		return ": the parent cgroup does not allow it"
	}
	return ""
}

// enableAll enables, for the group, every controller that the tree has, so that limits
// and statistics are available. An error here is ignored: if a value needs the
// controller, Apply fails with the reason.
func (g *Group) enableAll(d *dir) {
	all, err := v2Controllers(d.mount)
	if err != nil {
		return
	}
	for _, at := range above(d) {
		on, err := readText(at + "/cgroup.subtree_control")
		if err != nil {
			return
		}
		missing := all[:0:0]
		for _, c := range all {
			if !slices.Contains(strings.Fields(on), c) {
				missing = append(missing, c)
			}
		}
		if len(missing) == 0 {
			continue
		}
		err = writeText(at+"/cgroup.subtree_control", "+"+strings.Join(missing, " +"))
		if errors.Is(err, unix.EBUSY) {
			// It has its own processes. One by one, cpu and pids would be accepted,
			// and turn it into a threaded domain, whose children no process can enter
			// (cgroups(7), "Thread mode").
			return
		}
		// Otherwise one controller may be refused (cpu, while realtime processes run)
		// without affecting the others.
		if err != nil {
			for _, c := range missing {
				_ = writeText(at+"/cgroup.subtree_control", "+"+c) // a limit that needs it reports the error
			}
		}
	}
}

// enable enables one controller for the group, in every cgroup above it.
func (g *Group) enable(d *dir, controller string) error {
	for _, at := range above(d) {
		on, err := readText(at + "/cgroup.subtree_control")
		if err != nil {
			return err
		}
		if slices.Contains(strings.Fields(on), controller) {
			continue
		}
		err = writeText(at+"/cgroup.subtree_control", "+"+controller)
		switch {
		case errors.Is(err, unix.EBUSY), errors.Is(err, unix.EOPNOTSUPP):
			n := "processes"
			if pids, e := procs(at); e == nil {
				n = strconv.Itoa(len(pids)) + " process(es)"
			}
			return fmt.Errorf("enable controller %s below %s: %w: that cgroup has its own %s, and then cannot have children with limits (cgroups(7), \"no internal processes\"): move them, or give an absolute linux.cgroupsPath elsewhere",
				controller, at, err, n)
		case errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("enable controller %s below %s: %w: it is not in %s/cgroup.controllers", controller, at, err, at)
		case err != nil:
			return fmt.Errorf("enable controller %s: %w", controller, err)
		}
	}
	return nil
}

// above returns the cgroups from the mount point down to the group's parent.
func above(d *dir) []string {
	if d.mount == "" {
		return nil
	}
	list := []string{d.mount}
	rel := strings.Trim(strings.TrimPrefix(d.path, d.mount), "/")
	for i := range len(rel) {
		if rel[i] == '/' {
			list = append(list, d.mount+"/"+rel[:i])
		}
	}
	return list
}
