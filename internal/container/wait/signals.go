package wait

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/signals"
	"github.com/minirun/minirun/internal/stdio"
)

// Signals are the signals that a command receives. Those of `run` and `exec` are for
// the container. Until its program runs they cannot be passed on: those that ask to
// exit stop the set-up, and the container is removed; the others are kept.
//
// The zero value catches none: their default actions terminate minirun.
type Signals struct {
	Queue       *signals.Queue
	Early       []unix.Signal // arrived before there was a program to pass them on to
	AskedToExit bool          // a signal asked minirun to exit
	PassedOn    bool          // a signal that asks to exit was passed on to the program
}

// An Interrupted is the signal that ended minirun before it had done what was
// requested.
type Interrupted struct {
	Signal unix.Signal
	Before string // what would have come next; "": the program
}

func (e *Interrupted) Error() string {
	before := cmp.Or(e.Before, "the container's program ran")
	return "interrupted by " + unix.SignalName(e.Signal) + " before " + before
}

// Check takes pending signals. It returns an *Interrupted if one asks to exit, and
// keeps the others for later.
func (s *Signals) Check() error {
	if s.Queue == nil {
		return nil
	}
	arrived, err := s.Queue.Pending()
	if err != nil {
		return err
	}
	for _, signal := range arrived {
		if signals.IsTermination(signal) {
			s.AskedToExit = true
			return &Interrupted{Signal: signal}
		}
		if signal == unix.SIGTSTP { // there is no program yet that could react
			signals.Suspend(signal)
			continue
		}
		s.Early = append(s.Early, signal)
	}
	return nil
}

// ForReadable returns once one of the descriptors is readable, or at once if no signals
// are caught. A signal that asks to exit is an error.
func (s *Signals) ForReadable(fds ...int) error {
	if s.Queue == nil {
		return nil
	}
	for {
		signal, err := ForSignal(s.Queue.FD, fds...)
		if err != nil || !signal {
			return err
		}
		if err := s.Check(); err != nil {
			return err
		}
	}
}

// Poll is the function Poll, but returns an error if a signal asks to exit.
func (s *Signals) Poll(fds []unix.PollFd, limit time.Duration) error {
	if s.Queue == nil {
		return Poll(fds, limit)
	}
	if err := Poll(append(fds, unix.PollFd{Fd: int32(s.Queue.FD), Events: unix.POLLIN}), limit); err != nil {
		return err
	}
	return s.Check()
}

// Run calls do, which takes a context and may take long. A signal that asks to exit
// cancels the context, and is the error.
func (s *Signals) Run(do func(context.Context) error) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if s.Queue == nil {
		return do(ctx)
	}
	stop, stopping, err := os.Pipe()
	if err != nil {
		return err
	}
	defer stop.Close()
	ended := make(chan error, 1)
	go func() {
		err := s.ForReadable(int(stop.Fd()))
		if err != nil {
			cancel()
		}
		ended <- err
	}()
	err = do(ctx)
	stopping.Close()
	return errors.Join(<-ended, err)
}

// settle is how long a background job waits for signals that arrive together before it
// is stopped, and for SIGCONT after it was: kill(1) of a shell sends SIGTERM and SIGCONT.
const settle = 400 * time.Millisecond

// awaitQuiet returns after a time without signals, or when minirun is in the foreground. SIGTERM and the
// SIGCONT after it may be handled by two threads, the second one first.
func (s *Signals) awaitQuiet(inBackground func() bool) error {
	for inBackground() && ForReadable(s.Queue.FD, settle) {
		if err := s.Check(); err != nil {
			return err
		}
	}
	return nil
}

// AwaitForeground stops minirun while it is a background job of a terminal. A signal that
// asks to exit is an error, and so is a job that no shell can continue: the kernel does
// not stop it.
func (s *Signals) AwaitForeground(terminal stdio.Descriptor) error {
	for terminal.InBackground() {
		if err := s.awaitQuiet(terminal.InBackground); err != nil {
			return err
		}
		if !terminal.InBackground() {
			return nil
		}
		signals.SuspendJob(unix.SIGTTOU)
		if !ForReadable(s.Queue.FD, settle) {
			return fmt.Errorf("this is a background job of the terminal: %w", unix.EIO)
		}
	}
	return nil
}
