package container

import (
	"fmt"
	"strconv"

	"github.com/minirun/minirun/internal/container/diagnose"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/spec"
)

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

func (c *child) programError(source string, errno unix.Errno) *diagnose.ProgramError {
	p := c.spec.Process
	program := diagnose.Program{
		Name: p.Args[0], Env: p.Env, Cwd: p.Cwd, Roots: c.roots,
		HidesMounts: !c.rootsMounted && len(c.spec.Mounts) > 0,
	}
	return &diagnose.ProgramError{Source: source, Program: p.Args[0], Errno: errno, Cause: program.Cause(errno)}
}
