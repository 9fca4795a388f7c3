package bootstrap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/plan"
)

// A Message is what the process sends at a sync point of the plan.
type Message struct {
	Point  uint32
	A, B   uint64
	Stamps []unix.Timespec // only for Stamped
}

// Stamped is the point of a message that contains timestamps: see plan.Stamp.
const Stamped = plan.Ran + 1

// ErrFailed is the report of a step that failed.
type ErrFailed struct {
	Step  int
	Errno unix.Errno
}

func (e *ErrFailed) Error() string {
	return fmt.Sprintf("step %d: %s", e.Step, e.Errno.Error())
}

// Unwrap lets errors.Is find the errno.
func (e *ErrFailed) Unwrap() error { return e.Errno }

// FDs returns the descriptors of which one is readable when Receive has something to
// return.
func (proc *Process) FDs() []int { return []int{int(proc.sync.Fd()), int(proc.PidFD.Fd())} }

// Receive waits for the next message. It returns io.EOF when the process closed its
// end: after a successful execve, or because it died; see Became. A failed step is an
// *ErrFailed.
func (proc *Process) Receive() (Message, error) {
	if available, err := proc.awaitMessage(); err != nil || !available {
		return Message{}, errors.Join(err, io.EOF)
	}
	// One byte more than a message needs: a longer one would be truncated and
	// accepted.
	buf := make([]byte, max(plan.MessageSize, stampsSize(proc.stamps))+1)
	n, err := proc.sync.Read(buf)
	if errors.Is(err, unix.ECONNRESET) {
		// The process exited before it read our last answer. The kernel reports that
		// once, before it returns what the process had written.
		n, err = proc.sync.Read(buf)
	}
	if err != nil {
		return Message{}, err
	}
	if proc.stamps > 0 && n == stampsSize(proc.stamps) {
		return parseStamps(buf[:n], proc.stamps)
	}
	return parseMessage(buf[:n], proc.steps)
}

// awaitMessage waits until there is something to read, and reports whether there is:
// a process that dies just after it cloned another leaves that one with the other end
// of the socket, and both sides would wait for each other.
func (proc *Process) awaitMessage() (bool, error) {
	fds := [2]unix.PollFd{
		{Fd: int32(proc.sync.Fd()), Events: unix.POLLIN},
		{Fd: int32(proc.PidFD.Fd()), Events: unix.POLLIN},
	}
	for {
		_, err := unix.Poll(fds[:], -1)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return false, err
		}
		if fds[0].Revents != 0 {
			return true, nil
		}
		// The process exited. It may have written between the two checks.
		n, err := unix.Poll(fds[:1], 0)
		return n > 0, err
	}
}

// failedSize is the size of the loop's report, in bytes.
const failedSize = 16

// parseMessage reads a message. Its sender runs our loop, but in namespaces that it may share
// with others: the message is validated like any untrusted input.
func parseMessage(b []byte, steps int) (Message, error) {
	le := binary.LittleEndian
	switch {
	case len(b) == failedSize && le.Uint32(b) == plan.MessageFailed && le.Uint32(b[12:]) == 0:
		step, errno := le.Uint32(b[4:]), le.Uint32(b[8:])
		if uint64(step) < uint64(steps) && errno > 0 && errno <= plan.MaxErrno {
			return Message{}, &ErrFailed{int(step), unix.Errno(errno)}
		}
	case len(b) == plan.MessageSize && le.Uint32(b) == plan.MessagePoint && le.Uint32(b[4:]) != Stamped:
		// The point Stamped belongs to a message with timestamps.
		return Message{Point: le.Uint32(b[4:]), A: le.Uint64(b[8:]), B: le.Uint64(b[16:])}, nil
	}
	return Message{}, fmt.Errorf("malformed message from the new process: %d bytes, %x", len(b), b)
}

// stampsSize is the size of a message with n timestamps, in bytes.
func stampsSize(n int) int { return 8 + 16*n }

func parseStamps(b []byte, n int) (Message, error) {
	le := binary.LittleEndian
	if le.Uint32(b) != plan.MessageStamps || int(le.Uint32(b[4:])) != n {
		return Message{}, fmt.Errorf("malformed message from the new process: %d bytes, %x …", len(b), b[:8])
	}
	m := Message{Point: Stamped, Stamps: make([]unix.Timespec, n)}
	for i := range m.Stamps {
		at := b[8+16*i:]
		m.Stamps[i] = unix.Timespec{Sec: int64(le.Uint64(at)), Nsec: int64(le.Uint64(at[8:]))}
	}
	return m, nil
}

// Reply lets the process continue; data is what its Await step reads, at least one
// byte. If the process exited, the error is the one that Receive returns for it.
func (proc *Process) Reply(data []byte) error {
	// The process reads before it asks again, so there is room, unless another process
	// of its PID namespace sends in its name.
	_, err := unix.SendmsgN(int(proc.sync.Fd()), data, nil, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	if !errors.Is(err, unix.EPIPE) && !errors.Is(err, unix.ECONNRESET) {
		return err
	}
	for { // a message may precede the report; nothing is added any more
		if _, why := proc.Receive(); errors.Is(why, io.EOF) {
			return err
		} else if why != nil {
			return why
		}
	}
}
