package container

import (
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/spec"
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

// noProgram explains why a container's program cannot be executed, while its process
// waits.
func (c *Container) noProgram(errno unix.Errno) error {
	if c.spec == nil { // another minirun has created it
		now, _, err := spec.Load(c.Bundle)
		if err != nil || now.Process == nil || len(now.Process.Args) == 0 {
			return fmt.Errorf("%s: cannot execute the program: %w", argsSource, errno)
		}
		c.spec = now
	}
	// /proc/PID/root shows the container's mounts, which exist as long as the process.
	c.roots, c.rootsMounted = []string{"/proc/" + strconv.Itoa(c.proc.Pid) + "/root"}, true
	return c.programError(argsSource, errno)
}

const argsSource = "config.json: process.args[0]"

func (c *child) programError(source string, errno unix.Errno) *ProgramError {
	return &ProgramError{source, c.spec.Process.Args[0], errno, c.execHint(errno)}
}
