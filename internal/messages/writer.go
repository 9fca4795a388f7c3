package messages

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/signals"
	"github.com/minirun/minirun/internal/stdio"
)

var standardError = &Writer{to: stdio.Err, limit: patience}

// Writer writes to a descriptor whose reader may have stopped reading or may have
// exited: minirun does not exit because of it, and does not wait forever, nor after a
// signal that asks to exit. Text that cannot be written in time is lost.
type Writer struct {
	to    stdio.Descriptor
	limit time.Duration // how long the reader may take
	lost  bool          // it took longer: no more waiting
}

const (
	patience = 10 * time.Second
	haste    = time.Second            // after a signal asked to exit
	glance   = 100 * time.Millisecond // between two checks for such a signal
)

func (p *Writer) Write(data []byte) (int, error) {
	for rest := data; len(rest) > 0; {
		if err := p.await(); err != nil {
			return len(data) - len(rest), err
		}
		// The amount that a ready pipe takes at once (pipe(7), PIPE_BUF).
		n, err := p.to.Write(rest[:min(len(rest), 4096)])
		if err != nil {
			return len(data) - len(rest) + n, err
		}
		rest = rest[n:]
	}
	return len(data), nil
}

// await waits until the descriptor is ready.
func (p *Writer) await() error {
	begin := time.Now()
	for {
		fds := []unix.PollFd{{Fd: int32(p.to), Events: unix.POLLOUT}}
		_, err := unix.Poll(fds, int(glance.Milliseconds()))
		if err != nil && !errors.Is(err, unix.EINTR) || fds[0].Revents != 0 {
			return err
		}
		if p.lost || time.Since(begin) >= p.limit {
			p.lost = true
			return os.ErrDeadlineExceeded
		}
		if q := signals.Current(); q != nil && q.HasTermination() {
			return os.ErrDeadlineExceeded
		}
	}
}

// NewWriter returns a Writer that waits up to ten seconds for its reader.
func NewWriter(to stdio.Descriptor) *Writer { return &Writer{to: to, limit: patience} }

// NewPatientWriter returns a Writer that waits for its reader without a limit, as a narrated start
// does.
func NewPatientWriter(to stdio.Descriptor) *Writer { return &Writer{to: to, limit: 1<<63 - 1} }

// Hurry limits the time that the reader may take, after a signal asked to exit.
func (p *Writer) Hurry() { p.limit = haste }

// Fd returns the descriptor's number, as [os.File.Fd] does.
func (p *Writer) Fd() uintptr { return p.to.Fd() }
