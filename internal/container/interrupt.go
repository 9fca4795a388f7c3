package container

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/signals"
)

// Signals that `run` receives are for the container. Until its program runs they
// cannot be passed on: those that ask to exit stop the set-up, and the container is
// removed; the others are kept.

// An Interrupted is the signal that ended minirun before it had done what was
// requested.
type Interrupted struct {
	Signal unix.Signal
	before string // what would have come next; "": the program
}

func (e *Interrupted) Error() string {
	return "interrupted by " + unix.SignalName(e.Signal) + " before " + cmp.Or(e.before, "the container's program ran")
}

// interrupted takes pending signals. It returns an *Interrupted if one asks to exit,
// and keeps the others for later.
func (c *child) interrupted() error {
	if c.options.signals == nil {
		return nil // the signal's default action terminates minirun
	}
	came, err := c.options.signals.Pending()
	if err != nil {
		return err
	}
	for _, s := range came {
		if signals.IsTermination(s) {
			c.toldEnd = true
			return &Interrupted{Signal: s}
		}
		c.early = append(c.early, s)
	}
	return nil
}

// attentive returns once one of the descriptors is readable. A signal that asks to
// exit is an error.
func (c *child) attentive(fds ...int) error {
	if c.options.signals == nil {
		return nil // the signal's default action terminates minirun
	}
	for {
		signal, err := awaitEither(c.options.signals.FD, fds...)
		if err != nil || !signal {
			return err
		}
		if err := c.interrupted(); err != nil {
			return err
		}
	}
}

// awaitEither waits until a signal has arrived or one of the other descriptors is
// readable, and reports whether it is only the signal.
func awaitEither(signals int, others ...int) (signal bool, err error) {
	fds := []unix.PollFd{{Fd: int32(signals), Events: unix.POLLIN}}
	for _, fd := range others {
		fds = append(fds, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
	}
	for {
		n, err := unix.Poll(fds, -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return false, fmt.Errorf("poll: %w", err)
		} else if err == nil {
			return n == 1 && fds[0].Revents != 0, nil
		}
	}
}

// whileAttentive calls do, which takes a context and may take long. A signal that asks
// to exit cancels the context, and is the error.
func (c *child) whileAttentive(do func(context.Context) error) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if c.options.signals == nil {
		return do(ctx)
	}
	stop, stopping, err := os.Pipe()
	if err != nil {
		return err
	}
	defer stop.Close()
	ended := make(chan error, 1)
	go func() {
		err := c.attentive(int(stop.Fd()))
		if err != nil {
			cancel()
		}
		ended <- err
	}()
	err = do(ctx)
	stopping.Close()
	return errors.Join(<-ended, err)
}
