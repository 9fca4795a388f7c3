package container

import (
	"fmt"

	"github.com/minirun/minirun/internal/container/child"
	"github.com/minirun/minirun/internal/plan"

	"github.com/minirun/minirun/internal/container/record"

	"github.com/minirun/minirun/internal/bootstrap"
	"github.com/minirun/minirun/internal/spec"
)

func (c *Container) listLastSteps() []record.LastStep {
	var out []record.LastStep
	for i := len(c.Plan.Steps) - 1; i >= 0 && c.Plan.Steps[i].Kind != plan.WaitForStart; i-- {
		out = append(out, record.LastStep{Step: i, Text: child.StepText(c.Plan, i), Exec: child.IsExec(&c.Plan.Steps[i])})
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
		return fmt.Errorf("%s: %w", s.Text, failed.Errno)
	}
	return failed
}
