// Package hint adds to an error what the user can do about it, on a separate line. The programs add
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

// Texts returns the messages for an error, which may be several joined ones, as from `rm A B C`. A hint
// that the next message has, too, is only there.
func Texts(err error) []string {
	all := split(err)
	texts := make([]string, len(all))
	for i, e := range all {
		texts[i] = e.Error()
		own, ok := e.(*Error) //nolint:errorlint // only that of the whole message can be left out
		if !ok || i+1 == len(all) {
			continue
		}
		if next, ok := all[i+1].(*Error); ok && next.text == own.text { //nolint:errorlint // as above
			texts[i] = own.cause.Error()
		}
	}
	return texts
}

// split returns the errors that were joined. A hint for all of them belongs to each.
func split(err error) (all []error) {
	if e, ok := err.(*Error); ok { //nolint:errorlint // wrapped errors are one message
		for _, one := range split(e.cause) {
			var other *Error
			if errors.As(one, &other) {
				all = append(all, one)
			} else {
				all = append(all, &Error{one, e.text})
			}
		}
		return all
	}
	joined, ok := err.(interface{ Unwrap() []error }) //nolint:errorlint // as above
	if !ok {
		return []error{err}
	}
	for _, one := range joined.Unwrap() {
		all = append(all, split(one)...)
	}
	return all
}

// hasHint reports whether an error has a hint, as an Error or, if it says so, in its own text.
func hasHint(err error) bool {
	var other *Error
	var own interface {
		error
		HasHint() bool
	}
	return errors.As(err, &other) || errors.As(err, &own) && own.HasHint()
}

// ForUser adds a hint to an error whose cause is a missing privilege, unless it has another one. Only
// programs that run without root call it.
func ForUser(err error, text string) error {
	if !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EACCES) || hasHint(err) {
		return err
	}
	return Add(err, "%s", text)
}

// ForDisk adds a hint to an error whose cause is a full disk or an exhausted quota, unless it has
// another one.
func ForDisk(err error) error {
	if !errors.Is(err, unix.ENOSPC) && !errors.Is(err, unix.EDQUOT) || hasHint(err) {
		return err
	}
	return Add(err, "minirun system df shows what minirun keeps; minirun prune removes what is not used")
}
