// Package stdio reads and writes standard input, output and error: descriptors that
// this process inherited and does not own.
//
// os.Stdout would work too, with two differences that matter to a process that has
// something to clean up. An [os.File] of descriptor 1 or 2 reacts to a broken pipe by
// killing the process with SIGPIPE, without cleaning up the container. And
// one made by [os.NewFile] closes its descriptor when it is garbage-collected: the
// next file that is opened then becomes standard error.
package stdio

import (
	"errors"
	"io"

	"golang.org/x/sys/unix"
)

// A Descriptor is the number of a descriptor of this process. It is never closed.
type Descriptor int

// The standard descriptors.
const (
	In  Descriptor = 0
	Out Descriptor = 1
	Err Descriptor = 2
)

// Fd returns the number, as [os.File.Fd] does.
func (d Descriptor) Fd() uintptr { return uintptr(d) }

// Write writes all of data. A broken pipe is the error EPIPE: the Go runtime ignores
// SIGPIPE from a system call that it did not make itself. A background job can write
// to its terminal, also with stty tostop.
func (d Descriptor) Write(data []byte) (int, error) {
	defer IgnoreJobControl()()
	for rest := data; len(rest) > 0; {
		n, err := unix.Write(int(d), rest)
		if again, wait := d.retry(err, unix.POLLOUT); wait != nil {
			return len(data) - len(rest), wait
		} else if again {
			continue
		}
		rest = rest[n:]
	}
	return len(data), nil
}

// Read reads the available data, at least one byte.
func (d Descriptor) Read(data []byte) (int, error) {
	for {
		n, err := unix.Read(int(d), data)
		if again, wait := d.retry(err, unix.POLLIN); wait != nil {
			return 0, wait
		} else if again {
			continue
		}
		if n == 0 && len(data) > 0 {
			return 0, io.EOF
		}
		return n, nil
	}
}

// retry reports whether to repeat a call that returned err. Another process that
// shares the terminal or pipe may have made it non-blocking; then retry waits until it
// is ready.
func (d Descriptor) retry(err error, events int16) (bool, error) {
	switch {
	case errors.Is(err, unix.EINTR):
		return true, nil
	case errors.Is(err, unix.EAGAIN):
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(d), Events: events}}, -1)
		if errors.Is(err, unix.EINTR) {
			err = nil
		}
		return true, err
	}
	return false, err
}

// IsTerminal reports whether the descriptor refers to a terminal, or to the master of
// one.
func (d Descriptor) IsTerminal() bool {
	_, err := unix.IoctlGetTermios(int(d), unix.TCGETS)
	return err == nil
}

// Size returns the size of the terminal in characters, zeros if it is not known.
func (d Descriptor) Size() (columns, rows int) {
	size, err := unix.IoctlGetWinsize(int(d), unix.TIOCGWINSZ)
	if err != nil {
		return 0, 0
	}
	return int(size.Col), int(size.Row)
}
