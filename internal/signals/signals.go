// Package signals delivers signals as bytes in a pipe, so that a single poll can wait
// for a signal and for a process.
//
//	kill(2) ──▶ handler (assembly: write(pipe, &number, 1)) ──▶ pipe ──▶ Pending
//
// os/signal would do the same with three more threads and four switches between them
// for each signal: half a millisecond of a short container's life. For that reason it
// would have to be enabled late, while a signal may come early.
package signals

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The handler writes to this descriptor.
var pipe int32

// addresses returns the entry points for the kernel: the handlers, and the return from
// a handler to the kernel.
func addresses() (handler, noop, restorer uintptr)

// A Queue holds the signals that have arrived and have not been taken yet.
type Queue struct {
	// FD becomes readable when a signal arrives.
	FD int
}

// Catch redirects all signals of this process that can be passed on into a queue, from
// now on until the process exits. A signal that is ignored stays ignored (nohup(1)).
// Further calls return the same queue: a process has one set of handlers.
func Catch() (*Queue, error) {
	catchOnce.Do(func() { catchError = catch() })
	return caught.Load(), catchError
}

var (
	catchOnce  sync.Once
	catchError error
	caught     atomic.Pointer[Queue]
)

// Current returns the queue, nil if signals are not caught and have their default
// effect.
func Current() *Queue { return caught.Load() }

func catch() error {
	var fds [2]int
	// Non-blocking: a handler that waits for room would block its thread.
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return fmt.Errorf("create the pipe for signals: %w", err)
	}
	pipe = int32(fds[1])
	handler, _, restorer := addresses()
	for s := unix.Signal(1); s <= maxSignal; s++ {
		if !isForwarded(s) {
			continue
		}
		if err := installHandler(s, handler, restorer); err != nil {
			return fmt.Errorf("catch %s: %w", unix.SignalName(s), err)
		}
	}
	caught.Store(&Queue{FD: fds[0]})
	return nil
}

const maxSignal unix.Signal = 64

// DefaultInChildren makes programs that this process starts begin with the default
// action of every signal. execve(2) resets a signal that is caught, but one that is
// ignored stays ignored: under nohup(1), or in a job of a shell without job control,
// hooks and containers would not notice SIGHUP or SIGINT. So the ignored ones get a
// handler that does nothing, which is equivalent for this process. It is called just
// before the first fork: minirun may still replace itself with a helper program, which
// must keep ignoring them.
func DefaultInChildren() { defaultOnce.Do(catchIgnored) }

var defaultOnce sync.Once

func catchIgnored() {
	_, noop, restorer := addresses()
	for _, s := range maybeIgnored {
		var before action
		if err := sigaction(s, nil, &before); err == nil && before.handler == ignored {
			// It cannot fail: a signal that cannot be caught cannot be ignored.
			_ = sigaction(s, &action{noop, saOnStack | saRestart | saRestorer, restorer, ^uint64(0)}, nil)
		}
	}
}

// maybeIgnored are the signals that may still be ignored in a Go program: the runtime
// catches all others when it starts, whatever they were (os/signal's documentation).
var maybeIgnored = [...]unix.Signal{
	unix.SIGHUP, unix.SIGINT, unix.SIGCONT, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU,
	32, 33, 34, // used by the C libraries
}

// isForwarded excludes signals that cannot be caught, those that the Go runtime needs
// (faults, preemption), and those that concern only this process: its children, its
// output, and its access to the terminal, for which a background job is stopped.
func isForwarded(s unix.Signal) bool {
	switch s {
	case unix.SIGKILL, unix.SIGSTOP,
		unix.SIGSEGV, unix.SIGBUS, unix.SIGFPE, unix.SIGILL, unix.SIGTRAP, unix.SIGURG,
		unix.SIGCHLD, unix.SIGPIPE, unix.SIGTTIN, unix.SIGTTOU,
		32, 33: // used by the C library
		return false
	}
	return true
}

// action is the kernel's struct sigaction, see rt_sigaction(2); it is the same on
// amd64 and arm64.
type action struct {
	handler  uintptr
	flags    uint64
	restorer uintptr
	mask     uint64
}

const (
	saOnStack  = 0x08000000 // goroutines' stacks are too small
	saRestart  = 0x10000000 // like the Go runtime's handlers: its callers do not expect EINTR
	saRestorer = 0x04000000
	ignored    = 1 // SIG_IGN
)

func installHandler(s unix.Signal, handler, restorer uintptr) error {
	caught := action{handler, saOnStack | saRestart | saRestorer, restorer, ^uint64(0)}
	var before action
	if err := sigaction(s, &caught, &before); err != nil || before.handler != ignored {
		return err
	}
	return sigaction(s, &before, nil)
}

func sigaction(s unix.Signal, now, before *action) error {
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(s), uintptr(unsafe.Pointer(now)),
		uintptr(unsafe.Pointer(before)), unsafe.Sizeof(now.mask), 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// Pending removes the signals from the queue and returns them, oldest first, without
// waiting.
func (q *Queue) Pending() ([]unix.Signal, error) {
	var out []unix.Signal
	var buf [64]byte
	for {
		n, err := unix.Read(q.FD, buf[:])
		if errors.Is(err, unix.EAGAIN) {
			return out, nil
		}
		if err != nil && !errors.Is(err, unix.EINTR) {
			return out, fmt.Errorf("read the pipe for signals: %w", err)
		}
		for _, b := range buf[:max(n, 0)] {
			out = append(out, unix.Signal(b))
		}
	}
}

// HasTermination reports whether the queue contains a signal with which a terminal or a
// service manager by default terminates a program. The signals stay in the queue.
func (q *Queue) HasTermination() bool {
	arrived, err := q.Pending()
	if err != nil {
		return false
	}
	found := false
	for _, s := range arrived {
		found = found || IsTermination(s)
		_, _ = unix.Write(int(pipe), []byte{byte(s)}) // there was room for it
	}
	return found
}

// IsTermination reports whether a signal asks a program to exit.
func IsTermination(s unix.Signal) bool {
	switch s {
	case unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM:
		return true
	}
	return false
}
