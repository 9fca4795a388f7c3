package container

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
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
//	a terminal, minirun attends          a pipe, which minirun copies from or to: see terminalPipes
//	a terminal, minirun does not stay    /dev/null
//	the host's /dev/null                 the container's, or one whose inode it cannot change
//
// A container with its own terminal uses that for all three.

// pipeModes returns the modes that let process.user reopen the pipes among the
// standard descriptors, 0 for the others. A FIFO with a name is left alone: it exists
// longer than the container.
func pipeModes(s *specs.Spec, userNS bool) (modes [3]uint32) {
	if s.Process.Terminal {
		return modes
	}
	owner := hostUser(s, userNS)
	var pipes [3]unix.Stat_t
	for fd := range modes {
		st := &pipes[fd]
		if !isPipe(fd) || unix.Fstat(fd, st) != nil || int64(st.Uid) == owner {
			continue
		}
		// Even if it already has them: a plan does not depend on earlier runs.
		modes[fd] = st.Mode&0o7777 | openMode(fd)
		for earlier := range fd { // both ends of one pipe
			if pipes[earlier].Ino == st.Ino {
				modes[fd] |= modes[earlier]
			}
		}
	}
	return modes
}

// openMode returns the permission for all users to open what a descriptor is open for.
func openMode(fd int) uint32 {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	switch {
	case err != nil:
		return 0
	case flags&unix.O_ACCMODE == unix.O_RDONLY:
		return readable
	case flags&unix.O_ACCMODE == unix.O_WRONLY:
		return writable
	}
	return readable | writable
}

// Permissions of group and others: process.user may be in the pipe's group, whose
// permissions apply in that case.
const (
	readable = 0o44
	writable = 0o22
)

// hostUser returns the host's uid of process.user, -1 if it is unknown.
func hostUser(s *specs.Spec, userNS bool) int64 {
	uid := s.Process.User.UID
	if !userNS {
		return int64(uid)
	}
	for _, m := range s.Linux.UIDMappings {
		if uid >= m.ContainerID && uid-m.ContainerID < m.Size {
			return int64(m.HostID) + int64(uid-m.ContainerID)
		}
	}
	return -1
}

// isPipe reports whether a descriptor is a pipe without a name.
func isPipe(fd int) bool {
	var fs unix.Statfs_t
	return unix.Fstatfs(fd, &fs) == nil && fs.Type == unix.PIPEFS_MAGIC
}

// isNull reports whether a descriptor is the host's /dev/null.
func isNull(fd int) bool {
	var st unix.Stat_t
	return unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == unix.Mkdev(1, 3)
}

// isTerminal reports whether one of this process's descriptors is a terminal.
func isTerminal(fd int) bool { return stdio.Descriptor(fd).IsTerminal() }

// getsNull reports whether the new process gets /dev/null for a standard descriptor,
// unless the container has a terminal.
func (q *factsQuery) getsNull(fd int) bool { return isNull(fd) || !q.Attended && isTerminal(fd) }

// A handover lists what the new process gets, and which of it was opened only for
// that.
type handover struct {
	fds   []int // as in bootstrap.Attr.Files
	own   []int // to be closed when the process has them
	null  int   // this process's own /dev/null, if it is open
	guard bool  // null must be one whose inode the container cannot change
}

// close closes this process's copies of descriptors opened for the new process.
func (h *handover) close() {
	for _, fd := range h.own {
		_ = unix.Close(fd)
	}
	h.own = nil
}

// handOver opens what the new process gets as descriptors 0, 1, 2 and, with
// --preserve-fds, those that follow. A number that is closed here stays closed there,
// even if minirun has since used the number itself. replaced reports whether the plan
// replaces the host's /dev/null.
func (c *child) handOver(preserve int, replaced bool) (*handover, error) {
	h := &handover{fds: make([]int, 3+preserve), null: -1}
	h.guard = !replaced && !rootless() && !namespaces.InUserNamespace()
	for fd := range h.fds {
		h.fds[fd] = bootstrap.Closed
		if fd < 3 || slices.Contains(c.settings.Inherited, fd) {
			if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil {
				h.fds[fd] = fd
			}
		}
	}
	if c.spec.Process.Terminal {
		return h, nil // the plan uses it for all three
	}
	for fd := range 3 {
		if err := c.replace(h, fd); err != nil {
			h.close()
			return nil, fmt.Errorf("descriptor %d of the new process: %w", fd, err)
		}
	}
	return h, nil
}

// replace replaces a descriptor that the container must not get.
func (c *child) replace(h *handover, fd int) error {
	switch {
	case h.fds[fd] == bootstrap.Closed:
		return nil
	case isNull(fd):
		if !h.guard {
			return nil
		}
	case !isTerminal(fd):
		return nil
	case c.settings.Attended:
		return c.throughPipe(h, fd)
	case fd > 0:
		c.settings.Warn(fmt.Sprintf("descriptor %d is a terminal, which a detached container does not get: its output there is lost; redirect it to a file to keep it", fd))
	}
	if h.null < 0 {
		null, err := openNull(h.guard)
		if err != nil {
			return err
		}
		h.null, h.own = null, append(h.own, null)
	}
	h.fds[fd] = h.null
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
		if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}); err != nil {
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

// duplicate returns the caller's descriptor as a file that belongs to this process.
func duplicate(fd int, name string) (*os.File, error) {
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, &os.PathError{Op: "dup", Path: name, Err: err}
	}
	return os.NewFile(uintptr(own), name), nil
}

// throughPipe gives the new process a pipe instead of the caller's terminal.
func (c *child) throughPipe(h *handover, fd int) error {
	if c.relay == nil {
		p, err := newTerminalPipes()
		if err != nil {
			return err
		}
		c.relay = p
	}
	if fd == 2 && h.fds[1] != 1 && sameTerminal(1, 2) {
		h.fds[2] = h.fds[1] // one pipe: the output to both stays in order
		return nil
	}
	its, err := c.relay.add(fd)
	if err != nil {
		return err
	}
	h.own = append(h.own, its)
	h.fds[fd] = its
	mode := uint32(0o600 | writable)
	if fd == 0 {
		mode = 0o600 | readable
	}
	return unix.Fchmod(its, mode) // its user may not be minirun's: see pipeModes
}

func sameTerminal(a, b int) bool {
	var one, other unix.Stat_t
	err := errors.Join(unix.Fstat(a, &one), unix.Fstat(b, &other))
	return err == nil && isTerminal(a) && isTerminal(b) && one.Rdev == other.Rdev
}
