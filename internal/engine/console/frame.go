// Package console connects clients with the input and output of a detached container:
//
//	container ◀─ pipes or a terminal ─▶ Console, in the monitor ─▶ log
//	                                        │  a Unix socket in the container's directory
//	                                        └─▶ package attachment, in each client
//
// Any number of clients see all output from when they came, and what they write is the
// container's input. A client that does not read its output is disconnected: it must not
// stop the container.
package console

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// SocketName is the name of the socket in the container's directory.
const SocketName = "attach"

// A Frame is what the two sides send: its kind, the length, and the data.
type Frame struct {
	Kind byte
	Data []byte
}

// The kinds of frames.
const (
	Hello       = iota // to the client: which of the input and a terminal there are
	Output             // to the client: standard output, or the terminal
	ErrorOutput        // to the client: standard error
	Input              // to the container
	Resize             // to the container: rows and columns
	TooSlow            // to the client: it is disconnected
)

// The bits of the data of Hello.
const (
	HasTerminal = 1 << iota
	HasInput
)

const (
	headerSize = 5
	maxFrame   = 64 << 10
)

// Write writes a frame.
func (f Frame) Write(w io.Writer) error {
	b := make([]byte, headerSize, headerSize+len(f.Data))
	b[0] = f.Kind
	binary.BigEndian.PutUint32(b[1:], uint32(len(f.Data)))
	_, err := w.Write(append(b, f.Data...))
	return err
}

// ReadFrame reads a frame.
func ReadFrame(r io.Reader) (Frame, error) {
	var head [headerSize]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return Frame{}, err
	}
	size := binary.BigEndian.Uint32(head[1:])
	if size > maxFrame {
		return Frame{}, fmt.Errorf("a frame of %d bytes: at most %d are allowed", size, maxFrame)
	}
	f := Frame{head[0], make([]byte, size)}
	_, err := io.ReadFull(r, f.Data)
	return f, err
}

// withAddress calls do with the address of the socket in a directory. Its path is short: that
// of a socket has at most 107 bytes.
func withAddress(dir string, do func(fd int, a unix.Sockaddr) error) (*os.File, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	a := &unix.SockaddrUnix{Name: "/proc/self/fd/" + strconv.Itoa(int(d.Fd())) + "/" + SocketName}
	if err := do(fd, a); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), SocketName), nil
}

// listen creates the socket in a directory, for the user that this process has.
func listen(dir string) (*os.File, error) {
	err := os.Remove(filepath.Join(dir, SocketName)) // of a monitor that was killed
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return withAddress(dir, func(fd int, a unix.Sockaddr) error {
		before := unix.Umask(0o177) // the monitor has no other threads that create files yet
		err := unix.Bind(fd, a)
		unix.Umask(before)
		if err == nil {
			err = unix.Listen(fd, 16)
		}
		return os.NewSyscallError("bind", err)
	})
}

// Connect connects to the socket in a directory.
func Connect(dir string) (*os.File, error) {
	return withAddress(dir, func(fd int, a unix.Sockaddr) error {
		return os.NewSyscallError("connect", unix.Connect(fd, a))
	})
}

// isTrusted reports whether the other side of a connection belongs to root or to this
// process's user.
func isTrusted(fd int) bool {
	peer, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	return err == nil && (peer.Uid == 0 || int(peer.Uid) == os.Geteuid())
}
