package container

import (
	"fmt"
	"strings"

	"github.com/minirun/minirun/internal/container/record"

	"github.com/minirun/minirun/internal/container/diagnose"

	"github.com/minirun/minirun/internal/bootstrap"
	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/process"
	"github.com/minirun/minirun/internal/spec"
)

// stepError describes the step that failed, with its call and what requested it, and a
// hint.
func (c *child) stepError(failed *bootstrap.ErrFailed) error {
	if failed.Step >= len(c.plan.Steps) {
		return failed
	}
	if isExec(&c.plan.Steps[failed.Step]) {
		return c.programError(argsSource, failed.Errno)
	}
	return fmt.Errorf("%s: %w%s", stepText(c.plan, failed.Step), failed.Errno, diagnose.ExplainStep(c.spec, &c.plan.Steps[failed.Step], failed.Errno))
}

func stepText(p *plan.Plan, step int) string {
	s := &p.Steps[step]
	where := "set-up"
	if s.Source != "" {
		where = "config.json: " + s.Source
	}
	return where + ": " + p.Brief(s)
}

func (c *Container) lastSteps() []record.LastStep {
	var out []record.LastStep
	for i := len(c.plan.Steps) - 1; i >= 0 && c.plan.Steps[i].Name != process.WaitForStart; i-- {
		out = append(out, record.LastStep{Step: i, Text: stepText(c.plan, i), Exec: isExec(&c.plan.Steps[i])})
	}
	return out
}

// lastStepError is stepError for a container that another minirun has created. Its
// config.json may have changed since, so it is only used for the hint.
func (c *Container) lastStepError(failed *bootstrap.ErrFailed) error {
	for _, s := range c.LastSteps {
		if s.Step != failed.Step {
			continue
		}
		if now, _, err := spec.Load(c.Bundle); s.Exec && err == nil && now.Process != nil && len(now.Process.Args) > 0 {
			c.spec, c.roots = now, []string{c.Rootfs}
			return c.programError(argsSource, failed.Errno)
		}
		return fmt.Errorf("%s: %w", s.Text, failed.Errno)
	}
	return failed
}

// isExec reports whether a step fails because the program cannot be executed.
func isExec(s *plan.Step) bool {
	return strings.HasPrefix(s.Source, "process.args") && (s.Call == plan.Execve || s.Call == plan.Faccessat || s.Call == plan.Faccessat2)
}
