package diagnose

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// A ProgramError is the reason why a process could not execute its program.
type ProgramError struct {
	Source  string     // where the program is specified: "config.json: process.args[0]"
	Program string     // args[0]
	Errno   unix.Errno // of the search or of execve(2)
	Cause   string     // found by inspecting the container; may be empty
}

func (e *ProgramError) Error() string {
	text := fmt.Sprintf("%s: cannot execute %q: %v", e.Source, e.Program, e.Errno)
	if e.Cause != "" {
		text += ": " + e.Cause
	}
	return text
}

// Unwrap lets errors.Is find the errno.
func (e *ProgramError) Unwrap() error { return e.Errno }
