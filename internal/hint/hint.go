// Package hint adds to an error what the user can do about it, on a line of its own. The programs add
// the hint about missing privileges in one place, when an error has no better one.
package hint

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// An Error is an error with a hint.
type Error struct {
	cause error
	text  string
}

// Add returns err with a hint.
func Add(err error, format string, args ...any) error {
	return &Error{err, fmt.Sprintf(format, args...)}
}

func (e *Error) Error() string { return e.cause.Error() + "\nhint: " + e.text }

func (e *Error) Unwrap() error { return e.cause }

// ForUser adds a hint to an error whose cause is a missing privilege, unless it has another one. Only
// programs that run without root call it.
func ForUser(err error, text string) error {
	var other *Error
	if !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EACCES) || errors.As(err, &other) {
		return err
	}
	return Add(err, "%s", text)
}
