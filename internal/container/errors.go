package container

import (
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/bootstrap"
	"github.com/minirun/minirun/internal/container/child"
	"github.com/minirun/minirun/internal/container/diagnose"
	"github.com/minirun/minirun/internal/container/record"
	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/spec"
)

func (c *Container) listLastSteps() []record.LastStep {
	var out []record.LastStep
	for i := len(c.Plan.Steps) - 1; i >= 0 && c.Plan.Steps[i].Kind != plan.WaitForStart; i-- {
		s := &c.Plan.Steps[i]
		out = append(out, record.LastStep{Step: i, Text: child.DescribeStep(s), Call: c.Plan.BriefCall(s),
			Exec: child.IsExec(s)})
	}
	return out
}

// explainLastStep is stepError for a container that another minirun has created. Its
// config.json may have changed since, so it is only used for the hint.
func (c *Container) explainLastStep(failed *bootstrap.ErrFailed) error {
	for _, s := range c.LastSteps {
		if s.Step != failed.Step {
			continue
		}
		if now, _, err := spec.Load(c.Bundle); s.Exec && err == nil && now.Process != nil && len(now.Process.Args) > 0 {
			c.Spec, c.Roots = now, []string{c.Rootfs}
			return c.ProgramError(child.ArgsSource, failed.Errno)
		}
		return &diagnose.StepError{What: s.Text, Call: s.Call, Errno: failed.Errno}
	}
	return failed
}

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
