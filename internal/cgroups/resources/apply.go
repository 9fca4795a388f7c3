package resources

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/cgroups/cgroupfs"
	"github.com/minirun/minirun/internal/cgroups/devices"
	"github.com/minirun/minirun/internal/cgroups/group"
	"github.com/minirun/minirun/internal/debuglog"
)

// Apply writes the values that are not Late, each to the file of its controller, and
// reads it back: a limit that the kernel did not accept is an error. On an error the
// values already written stay; the caller then deletes the group. The error is an
// [Error].
func Apply(g *group.Group, values []Value) error {
	return apply(g, values, func(v *Value) bool { return !v.Late })
}

// ApplyLate writes the Late values, once the container's process is in the group.
func ApplyLate(g *group.Group, values []Value) error {
	return apply(g, values, func(v *Value) bool { return v.Late })
}

func apply(g *group.Group, values []Value, selected func(*Value) bool) error {
	w := newWriter(g)
	defer w.close()
	rest := make([]*Value, 0, len(values))
	for i := range values {
		if selected(&values[i]) {
			rest = append(rest, &values[i])
		}
	}
	for len(rest) > 0 {
		n, err := w.writeNext(rest)
		if err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

// writer keeps the last file open: a dozen device rules go to one file.
type writer struct {
	g        *group.Group
	pageSize uint64 // in bytes
	fd       int    // -1 if no file is open
	path     string
}

func newWriter(g *group.Group) *writer {
	return &writer{g: g, pageSize: uint64(os.Getpagesize()), fd: -1}
}

func (w *writer) close() {
	if w.fd >= 0 {
		unix.Close(w.fd)
		w.fd = -1
	}
}

// writeNext writes the first value, and the second one too if that has to come before
// the first; n is the number of values written.
func (w *writer) writeNext(values []*Value) (n int, err error) {
	v := values[0]
	err = w.writeValue(v)
	if err == nil {
		return 1, nil
	}
	if !v.SwapNext || len(values) < 2 || !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.EBUSY) {
		return 0, explain(v, err)
	}
	if n, err = w.writeNext(values[1:]); err != nil {
		return 0, err
	}
	if err = w.writeValue(v); err != nil {
		return 0, explain(v, err)
	}
	return 1 + n, nil
}

// writeValue writes a value, or its alternative if the kernel lacks the file.
func (w *writer) writeValue(v *Value) error {
	dir := v.directory(w.g)
	if dir == "" {
		return fmt.Errorf("write %q to %s: the container has no cgroup for controller %q", v.Value, v.File, v.Controller)
	}
	if v.Program != nil {
		return devices.Attach(dir, v.Program)
	}
	if v.Verify == VerifyDevices {
		return w.verifyDevices(dir, v)
	}
	if v.Ceiling != "" {
		if err := checkCeiling(dir, v); err != nil {
			return err
		}
	}
	err := w.writeFile(dir, v)
	if v.V2 && v.Controller != "" && errors.Is(err, fs.ErrNotExist) {
		// The controller may not be enabled for this cgroup yet.
		if err := w.g.EnableController(v.Controller); err != nil {
			return &controllerError{err}
		}
		err = w.writeFile(dir, v)
	}
	if errors.Is(err, fs.ErrNotExist) {
		if v.Or != nil {
			return w.writeValue(v.Or)
		}
		if v.Optional {
			return nil
		}
	}
	return err
}

// writeFile writes one value and reads it back, on one descriptor.
func (w *writer) writeFile(dir string, v *Value) error {
	path := dir + "/" + v.File
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
	if err := cgroupfs.WriteOpen(w.fd, v.Value); err != nil {
		return fmt.Errorf("write %q to %s: %w", v.Value, path, err)
	}
	debuglog.Printf("wrote %q to %s", v.Value, path)
	if v.Verify == VerifyNone {
		return nil
	}
	got, err := cgroupfs.ReadOpen(w.fd)
	if err != nil {
		return &fs.PathError{Op: "read back", Path: path, Err: err}
	}
	if !v.matches(got, w.pageSize) {
		return fmt.Errorf("write %q to %s: the kernel accepted it, but the file now contains %q: %w",
			v.Value, path, strings.TrimSpace(got), errNoEffect)
	}
	return nil
}

// errNoEffect means that a file, read back, does not contain what was written.
var errNoEffect = errors.New("the setting has no effect")

// verifyDevices compares devices.list with the rules written before it.
func (w *writer) verifyDevices(dir string, v *Value) error {
	path := dir + "/" + v.File
	got, err := cgroupfs.ReadText(path)
	if err == nil && !v.matches(got, w.pageSize) && v.Or != nil {
		if err = w.writeFile(dir, v.Or); err == nil {
			got, err = cgroupfs.ReadText(path)
		}
	}
	if err == nil && !v.matches(got, w.pageSize) {
		err = fmt.Errorf("%s contains %q instead of %q: %w", path, got, v.Value, errNoEffect)
	}
	return err
}

// checkCeiling refuses a limit below what is in use.
func checkCeiling(dir string, v *Value) error {
	used, err := cgroupfs.ReadText(dir + "/" + v.Ceiling)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the controller is not enabled yet, so nothing is in use
	}
	if err != nil {
		return err
	}
	n, ok := parseBytes(used)
	limit, ok2 := parseBytes(v.Value)
	if !ok || !ok2 || n > limit {
		return fmt.Errorf("write %q to %s/%s: %s bytes are in use, and linux.resources.memory.checkBeforeUpdate "+
			"forbids killing processes for the difference", v.Value, dir, v.File, used)
	}
	return nil
}
