package diagnose

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// An Explanation is what the container's files show about a program that could not be executed.
type Explanation struct {
	Cause string // may be empty
	Hint  string // what to do; may be empty
}

// A ProgramError is the reason why a process could not execute its program.
type ProgramError struct {
	Source  string     // where the program is specified: "config.json: process.args[0]"
	Program string     // args[0]
	Errno   unix.Errno // of the search or of execve(2)
	Explanation
}

func (e *ProgramError) Error() string {
	text := fmt.Sprintf("%s: cannot execute %q: ", e.Source, e.Program)
	if e.Cause == "" {
		text += e.Errno.Error()
	} else {
		text += fmt.Sprintf("%s (%v)", e.Cause, e.Errno)
	}
	if e.Hint != "" {
		text += "\nhint: " + e.Hint
	}
	return text
}

func (e *ProgramError) Unwrap() error { return e.Errno }
