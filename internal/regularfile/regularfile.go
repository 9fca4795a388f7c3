// Package regularfile opens files whose names come from an untrusted source: an image,
// a container, a build context. Any name may be that of a FIFO, whose open waits for a
// writer, or of a device node, whose open may have an effect: it rewinds a tape,
// starts a watchdog, acquires a terminal. O_NONBLOCK helps only against the first.
//
// So a file is opened in two steps: with O_PATH, which has no effect on the file,
// then, if fstat(2) reports a regular file, again through /proc/self/fd, which leads
// to the same inode even if the name now refers to another file.
package regularfile

import (
	"errors"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// ErrNotRegular is the cause of an error for a device, a FIFO or a socket. For a
// directory the cause is EISDIR.
var ErrNotRegular = errors.New("not a regular file")

// Open opens a file of the host for reading. A symbolic link is followed.
func Open(name string) (*os.File, error) {
	fd, err := unix.Open(name, unix.O_PATH|unix.O_CLOEXEC, 0)
	return reopenRegular(fd, name, err)
}

// OpenAt opens a file of the directory dir for reading. A symbolic link is not
// followed but refused: it is not a regular file.
func OpenAt(dir int, name string) (*os.File, error) {
	fd, err := unix.Openat(dir, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	return reopenRegular(fd, name, err)
}

// OpenIn opens a file below the directory root for reading; resolve has the flags of
// openat2(2).
func OpenIn(root int, name string, resolve uint64) (*os.File, error) {
	fd, err := OpenPathIn(root, name, 0, resolve)
	return reopenRegular(fd, name, err)
}

// OpenPathIn opens a file of any kind below the directory root, with O_PATH and flags;
// resolve has the flags of openat2(2).
func OpenPathIn(root int, name string, flags int, resolve uint64) (fd int, err error) {
	return Openat2(root, name, &unix.OpenHow{Flags: uint64(unix.O_PATH | flags), Resolve: resolve})
}

// How often Openat2 tries: an unprivileged user can rename files all the time. Up to
// 400 EAGAINs in a row were measured, when a virtual CPU was stopped in the middle of
// a rename, so the later tries wait.
const (
	openAttempts  = 1000
	quickAttempts = 100
)

// Openat2 is openat2(2) with O_CLOEXEC, and tries again after EAGAIN and EINTR. With
// RESOLVE_BENEATH or RESOLVE_IN_ROOT the kernel returns EAGAIN at a .. in the path or
// in a link if anything on the machine was renamed or mounted meanwhile, because it
// cannot rule out that the path left the directory.
func Openat2(dir int, name string, how *unix.OpenHow) (fd int, err error) {
	exact := *how
	exact.Flags |= unix.O_CLOEXEC
	for attempt := range openAttempts {
		fd, err = unix.Openat2(dir, name, &exact)
		if !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
			break
		}
		if attempt >= quickAttempts {
			time.Sleep(time.Millisecond)
		}
	}
	return fd, err
}

// reopenRegular completes an opening: fd and err are the result of the one with O_PATH.
func reopenRegular(fd int, name string, err error) (*os.File, error) {
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	defer func() { _ = unix.Close(fd) }()
	return Reopen(fd, name)
}

// Reopen opens the file that an O_PATH descriptor refers to for reading, if it is a
// regular file. The descriptor stays open; name is for messages.
func Reopen(fd int, name string) (*os.File, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, &os.PathError{Op: "stat", Path: name, Err: err}
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
	case unix.S_IFDIR:
		return nil, &os.PathError{Op: "read", Path: name, Err: unix.EISDIR}
	default:
		return nil, &os.PathError{Op: "read", Path: name, Err: ErrNotRegular}
	}
	// Not os.Open, which would set up the runtime's poller.
	opened, err := unix.Open("/proc/self/fd/"+strconv.Itoa(fd), unix.O_RDONLY|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return os.NewFile(uintptr(opened), name), nil
}
