// Package interrupt ends a program that writes files and makes requests when it gets a signal: with a
// context, so that the program can clean up.
package interrupt

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// A SignalError is the cause of a context that a signal canceled.
type SignalError struct{ Signal syscall.Signal }

func (s *SignalError) Error() string { return s.Signal.String() }

// Is makes it match context.Canceled.
func (s *SignalError) Is(err error) bool { return err == context.Canceled }

// cleanupTime is how long the program may take to clean up after a signal.
const cleanupTime = 10 * time.Second

// Context returns a context that the first SIGINT or SIGTERM cancels. The second one terminates the
// program. The returned function stops catching the signals.
func Context() (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		s, ok := <-signals
		if n, is := s.(syscall.Signal); ok && is {
			signal.Stop(signals)
			cancel(&SignalError{n})
			// An operation that cannot be interrupted, such as a write to a stopped terminal, must
			// not keep the program from exiting. It usually exits long before.
			time.AfterFunc(cleanupTime, func() { os.Exit(128 + int(n)) })
		}
	}()
	return ctx, func() { signal.Stop(signals) }
}

// SurviveBrokenPipes turns a broken pipe on standard output or error into a write error. By default,
// the Go runtime would kill the program with SIGPIPE in the middle of a build or of a change to the
// store. The signal itself is discarded.
func SurviveBrokenPipes() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }

// IsOutputBroken reports whether a command failed because the reader of its output exited.
func IsOutputBroken(err error) bool {
	var write *fs.PathError
	return errors.As(err, &write) && errors.Is(write.Err, syscall.EPIPE) && write.Path == os.Stdout.Name()
}
