package terminal

import (
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/container/wait"
	"github.com/minirun/minirun/internal/stdio"
)

// Pipes connect the caller's terminal with a container that has none. With the
// terminal itself the program could read the keyboard, even through descriptors 1 and
// 2, change the terminal's settings, or inject input.
//
//	terminal ──input──▶ pipe ──▶ descriptor 0
//	terminal ◀─output── pipe ◀── descriptors 1 and 2
//
// Output is copied from the first step of the plan on, since hooks inside the
// container write too; input once the program runs.
type Pipes struct {
	input   int // the end that minirun writes to; -1: descriptor 0 is not a terminal
	outputs sync.WaitGroup
	stop    int // an eventfd: the container exited
	copied  int // an eventfd: all output is written

	finished bool
}

func newPipes() (*Pipes, error) {
	stop, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	copied, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		_ = unix.Close(stop)
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	return &Pipes{input: -1, stop: stop, copied: copied}, nil
}

// addPipe makes the pipe for one descriptor and returns the container's end.
func (p *Pipes) addPipe(fd int) (int, error) {
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		return -1, fmt.Errorf("pipe: %w", err)
	}
	if fd == 0 {
		// A pipe of one page has room only if it is empty: so at most one line is
		// taken from the terminal before the program asks for it.
		if _, err := unix.FcntlInt(uintptr(ends[1]), unix.F_SETPIPE_SZ, 1); err != nil {
			_, _ = unix.Close(ends[0]), unix.Close(ends[1])
			return -1, fmt.Errorf("fcntl(F_SETPIPE_SZ): %w", err)
		}
		p.input = ends[1]
		return ends[0], nil
	}
	p.outputs.Go(func() {
		defer stdio.IgnoreJobControl()()
		copyOutput(stdio.Descriptor(fd), ends[0], p.stop)
		_ = unix.Close(ends[0]) // a program that keeps writing gets EPIPE
	})
	return ends[1], nil
}

// copyOutput copies until the pipe has no writers, the terminal accepts no more, or
// the container exited. In the last case it still writes the content of the pipe, but
// does not wait for output of a process that outlives the program.
func copyOutput(to stdio.Descriptor, pipe, stop int) {
	buf := make([]byte, 32<<10)
	for {
		ready, stopped, err := wait.ForInput(pipe, stop)
		switch {
		case err != nil:
			return
		case stopped:
			if left, err := unix.IoctlGetInt(pipe, unix.TIOCINQ); err == nil {
				copyBytes(to, pipe, buf, left)
			}
			return
		case ready:
			n, err := stdio.Descriptor(pipe).Read(buf)
			if err != nil {
				return
			}
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
	}
}

// copyBytes copies as many bytes as a pipe is known to contain.
func copyBytes(to stdio.Descriptor, pipe int, buf []byte, left int) {
	for left > 0 {
		n, err := stdio.Descriptor(pipe).Read(buf[:min(left, len(buf))])
		if err != nil {
			return
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
		left -= n
	}
}

// CopyInput starts to copy the input.
func (p *Pipes) CopyInput() {
	if p == nil || p.input < 0 {
		return
	}
	input := p.input
	p.input = -1
	go func() {
		defer stdio.IgnoreJobControl()()
		copyInput(input, p.stop)
		_ = unix.Close(input) // end of file for the program
	}()
}

// backgroundPause is how many milliseconds a background job waits before it checks
// again whether it is in the foreground: no signal reports that.
const backgroundPause = 300

// copyInput copies from standard input, a terminal, until its end of file, or until
// the program stops reading. It takes no input from a shell that has put minirun into
// the background.
func copyInput(pipe, stop int) {
	buf := make([]byte, 4096) // the longest line of a terminal, and the capacity of a pipe of one page
	const terminal = stdio.In
	empty, unread := unix.PollFd{Fd: int32(pipe), Events: unix.POLLOUT}, unix.PollFd{Fd: int32(pipe)}
	for awaitAny(-1, empty, stop) && awaitAny(-1, unread, stop, int(terminal)) {
		if terminal.InBackground() {
			if !awaitAny(backgroundPause, unread, stop) {
				return
			}
			continue
		}
		n, err := terminal.Read(buf)
		if errors.Is(err, unix.EIO) && terminal.InBackground() {
			continue // since the last check
		}
		if err != nil {
			return
		}
		if _, err := stdio.Descriptor(pipe).Write(buf[:n]); err != nil {
			return
		}
	}
}

// awaitAny waits until the pipe has one of the requested events, one of sources is
// readable, or ms milliseconds are over. It returns false if stop is readable or the
// pipe has no reader left.
func awaitAny(ms int, pipe unix.PollFd, stop int, sources ...int) bool {
	fds := []unix.PollFd{pipe, {Fd: int32(stop), Events: unix.POLLIN}}
	for _, fd := range sources {
		fds = append(fds, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
	}
	for {
		_, err := unix.Poll(fds, ms)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		return err == nil && fds[0].Revents&unix.POLLERR == 0 && fds[1].Revents == 0
	}
}

// Finish writes the container's remaining output, and stops the copying. A signal
// that asks to exit stops it earlier: a terminal may be stopped (^S). If one came
// earlier there may be no other, and the wait is short. The two eventfds stay open for
// a goroutine that may still read from the terminal; they are closed when minirun
// exits.
func (p *Pipes) Finish(signals *wait.Signals) {
	if p == nil || p.finished {
		return
	}
	p.finished = true
	if p.input >= 0 {
		_ = unix.Close(p.input)
	}
	wait.Wake(p.stop)
	go func() {
		p.outputs.Wait()
		wait.Wake(p.copied)
	}()
	if signals.AskedToExit {
		wait.ForReadable(p.copied, wait.UndoLimit)
		return
	}
	_ = signals.ForReadable(p.copied) // an error ends the wait, and is not worse than how the container ended
}
