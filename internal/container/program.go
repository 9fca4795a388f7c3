package container

import (
	"fmt"
	"strconv"

	"github.com/minirun/minirun/internal/container/child"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/spec"
)

// explainProgram explains why a container's program cannot be executed, while its process
// waits.
func (c *Container) explainProgram(errno unix.Errno) error {
	if c.Spec == nil { // another minirun has created it
		now, _, err := spec.Load(c.Bundle)
		if err != nil || now.Process == nil || len(now.Process.Args) == 0 {
			return fmt.Errorf("%s: cannot execute the program: %w", child.ArgsSource, errno)
		}
		c.Spec = now
	}
	// /proc/PID/root shows the container's mounts, which exist as long as the process.
	c.Roots, c.RootsMounted = []string{"/proc/" + strconv.Itoa(c.Proc.Pid) + "/root"}, true
	return c.ProgramError(child.ArgsSource, errno)
}
