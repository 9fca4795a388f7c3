package predicate

import "github.com/minirun/minirun/internal/lab/words"

// This file has what packages with predicates of their own need.

// Fail returns a failure. The two texts are words.New(…).
func Fail(expected, found words.Text, look string, args ...any) (*Failure, error) {
	return fail(expected, found, look, args...)
}

// Find returns the first process of the container, or why there is none.
func (o Of) Find(s *Scene) (*Process, *Failure) { return o.find(s) }

// IsInit reports whether the process is number 1 in a PID namespace below this one.
func (p Process) IsInit() bool { return p.isInit() }

// ReadBelow reads a regular file below a directory. Links do not lead out of it.
func ReadBelow(dir, path string) (string, error) { return readBelow(dir, path) }

// Shorten returns the beginning of a text, for a message.
func Shorten(text string) string { return shorten(text) }
