package terminal

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/bootstrap"
	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/stdio"
)

// This file decides what a new process gets as descriptors 0, 1 and 2. They belong to
// the caller, so the container gets them unchanged: nothing is copied, and neither
// owner nor mode of a file with a name on the host changes.
//
//	a file, a device, a socket, a FIFO   itself
//	a pipe                               itself; the process's user may reopen it (package process, Prepare)
//	a terminal, minirun attends          a pipe, which minirun copies from or to: see Pipes
//	a terminal, minirun does not stay    /dev/null
//	the host's /dev/null                 the container's, or one whose inode it cannot change
//
// A container with its own terminal uses that for all three.

// isNull reports whether a descriptor is the host's /dev/null.
func isNull(fd int) bool {
	var st unix.Stat_t
	return unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == unix.Mkdev(1, 3)
}

// IsTerminal reports whether one of this process's descriptors is a terminal.
func IsTerminal(fd int) bool { return stdio.Descriptor(fd).IsTerminal() }

// GetsNull reports whether the new process gets /dev/null for a standard descriptor,
// unless the container has a terminal. attended: minirun stays until it exits.
func GetsNull(fd int, attended bool) bool { return isNull(fd) || !attended && IsTerminal(fd) }

// A Request describes the descriptors of a new process.
type Request struct {
	Terminal     bool  // its own: the plan uses it for descriptors 0 to 2
	Preserve     int   // descriptors from 3 on
	Inherited    []int // those that belong to the caller, not to minirun
	Attended     bool  // minirun stays until the process exits
	NullReplaced bool  // the plan replaces the host's /dev/null
	Warn         func(any)
}

// Descriptors are what a new process gets, and what was opened only for that.
type Descriptors struct {
	FDs   []int  // as in bootstrap.Attr.Files
	Pipes *Pipes // nil if no terminal of the caller is replaced by a pipe

	opened []int // to be closed when the process has them
	null   int   // this process's own /dev/null, if it is open
	guard  bool  // null must be one whose inode the container cannot change
	warned bool  // that output is lost
}

// Close closes this process's copies of descriptors opened for the new process.
func (d *Descriptors) Close() {
	for _, fd := range d.opened {
		_ = unix.Close(fd)
	}
	d.opened = nil
}

// Open opens what the new process gets as descriptors 0, 1, 2 and, with --preserve-fds,
// those that follow. A number that is closed here stays closed there, even if minirun has
// since used the number itself. After an error the result has only Pipes.
func Open(r *Request) (*Descriptors, error) {
	d := &Descriptors{FDs: make([]int, 3+r.Preserve), null: -1}
	d.guard = !r.NullReplaced && os.Geteuid() == 0 && !namespaces.InUserNamespace()
	for fd := range d.FDs {
		d.FDs[fd] = bootstrap.Closed
		if fd < 3 || slices.Contains(r.Inherited, fd) {
			if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil {
				d.FDs[fd] = fd
			}
		}
	}
	if r.Terminal {
		return d, nil
	}
	for fd := range 3 {
		if err := d.replace(fd, r); err != nil {
			d.Close()
			return d, fmt.Errorf("descriptor %d of the new process: %w", fd, err)
		}
	}
	return d, nil
}

// replace replaces a descriptor that the container must not get.
func (d *Descriptors) replace(fd int, r *Request) error {
	switch {
	case d.FDs[fd] == bootstrap.Closed:
		return nil
	case isNull(fd):
		if !d.guard {
			return nil
		}
	case !IsTerminal(fd):
		return nil
	case r.Attended:
		return d.replaceByPipe(fd)
	case fd > 0 && !d.warned: // one warning is enough
		d.warned = true
		r.Warn(fmt.Sprintf("descriptor %d is a terminal, which a detached container does not get: "+
			"its output there is lost; redirect it to a file to keep it", fd))
	}
	if d.null < 0 {
		null, err := openNull(d.guard)
		if err != nil {
			return err
		}
		d.null, d.opened = null, append(d.opened, null)
	}
	d.FDs[fd] = d.null
	return nil
}

// openNull opens the host's /dev/null. If guarded, it is opened through a
// read-only mount: otherwise root in the container could change the owner and mode
// of the host's (/proc/self/fd/0, fchmod).
func openNull(guarded bool) (int, error) {
	path := os.DevNull
	if guarded {
		tree, err := unix.OpenTree(unix.AT_FDCWD, os.DevNull, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
		if err != nil {
			return -1, fmt.Errorf("open_tree %s: %w", os.DevNull, err)
		}
		defer func() { _ = unix.Close(tree) }()
		if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH,
			&unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}); err != nil {
			return -1, fmt.Errorf("mount_setattr %s: %w", os.DevNull, err)
		}
		path = "/proc/self/fd/" + strconv.Itoa(tree)
	}
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return fd, nil
}

// Duplicate returns the caller's descriptor as a file that belongs to this process.
func Duplicate(fd int, name string) (*os.File, error) {
	copied, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, &os.PathError{Op: "dup", Path: name, Err: err}
	}
	return os.NewFile(uintptr(copied), name), nil
}

// replaceByPipe gives the new process a pipe instead of the caller's terminal.
func (d *Descriptors) replaceByPipe(fd int) error {
	if d.Pipes == nil {
		p, err := newPipes()
		if err != nil {
			return err
		}
		d.Pipes = p
	}
	if fd == 2 && d.FDs[1] != 1 && isSameTerminal(1, 2) {
		d.FDs[2] = d.FDs[1] // one pipe: the output to both stays in order
		return nil
	}
	end, err := d.Pipes.addPipe(fd)
	if err != nil {
		return err
	}
	d.opened = append(d.opened, end)
	d.FDs[fd] = end
	mode := uint32(0o622)
	if fd == 0 {
		mode = 0o644
	}
	return unix.Fchmod(end, mode) // its user may not be minirun's: see pipeModes
}

func isSameTerminal(a, b int) bool {
	var one, other unix.Stat_t
	err := errors.Join(unix.Fstat(a, &one), unix.Fstat(b, &other))
	return err == nil && IsTerminal(a) && IsTerminal(b) && one.Rdev == other.Rdev
}
