// Package cgroupfs reads and writes the files of the cgroup file systems (cgroups(7)).
//
// Their rules differ from those of other files: a value is one write(2), and a file of
// a cgroup that is removed meanwhile reports ENODEV. Package os is not used, because its
// poller would be set up for these files at every start.
package cgroupfs

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/debuglog"
)

// ReadText returns the content of a file, without the trailing newlines.
func ReadText(path string) (string, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	s, err := ReadOpen(fd)
	if err != nil {
		return "", &fs.PathError{Op: "read", Path: path, Err: err}
	}
	return strings.TrimRight(s, "\n"), nil
}

// ReadOpen returns the content of an open file from its start, whatever the file offset.
// A read(2) that leaves half the buffer empty was the last one: the kernel returns whole
// lines, and none is longer than half the buffer.
func ReadOpen(fd int) (string, error) {
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

// WriteText writes a value to a file.
func WriteText(path, value string) error {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	if err := WriteOpen(fd, value); err != nil {
		return fmt.Errorf("write %q to %s: %w", value, path, err)
	}
	debuglog.Printf("wrote %q to %s", value, path)
	return nil
}

// WriteOpen writes a value to an open file, in one write(2). The kernel aborts some
// writes if a signal is pending (those of memory limits in version 1), and the Go
// runtime sends signals to its own threads, so EINTR is retried.
func WriteOpen(fd int, value string) error {
	for {
		_, err := unix.Pwrite(fd, []byte(value), 0)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// IsGone reports whether an error means that a cgroup was removed, before or while its
// file was used.
func IsGone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV)
}
