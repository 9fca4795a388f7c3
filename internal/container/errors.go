package container

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/bootstrap"
	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/process"
	"github.com/minirun/minirun/internal/spec"
)

// stepError tells which step failed, with its call and what asked for it, and
// what to try.
func (c *child) stepError(failed *bootstrap.ErrFailed) error {
	if failed.Step >= len(c.plan.Steps) {
		return failed
	}
	return fmt.Errorf("%s: %w%s", stepText(c.plan, failed.Step), failed.Errno, c.hint(failed.Step, failed.Errno))
}

func stepText(p *plan.Plan, step int) string {
	s := &p.Steps[step]
	where := "set-up"
	if s.Source != "" {
		where = "config.json: " + s.Source
	}
	return where + ": " + p.Brief(s)
}

// A LastStep is what is kept in the record of a step that comes after start,
// when the plan is known to nobody but the process that runs it.
type LastStep struct {
	Step int    `json:"step"`
	Text string `json:"text"`
	Exec bool   `json:"exec,omitempty"` // its failure is about the program
}

func (c *Container) lastSteps() []LastStep {
	var out []LastStep
	for i := len(c.plan.Steps) - 1; i >= 0 && c.plan.Steps[i].Name != process.WaitForStart; i-- {
		out = append(out, LastStep{i, stepText(c.plan, i), isExec(&c.plan.Steps[i])})
	}
	return out
}

// lastStepError is stepError for a container that another minirun has created.
// Its config.json may have changed since, so it serves for the hint alone.
func (c *Container) lastStepError(failed *bootstrap.ErrFailed) error {
	for _, s := range c.LastSteps {
		if s.Step != failed.Step {
			continue
		}
		hint := ""
		if now, _, err := spec.Load(c.Bundle); s.Exec && err == nil && now.Process != nil {
			c.spec, c.roots = now, []string{c.Rootfs}
			hint = c.execHint(failed.Errno)
		}
		return fmt.Errorf("%s: %w%s", s.Text, failed.Errno, hint)
	}
	return failed
}

// isExec reports whether a step fails for want of a program that can run.
func isExec(s *plan.Step) bool {
	return s.Group == plan.Exec && (s.Call == plan.Execve || s.Call == plan.Faccessat)
}

// lacking is the hint for an error that a missing capability explains.
func lacking(err error, capability, to string) string {
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return fmt.Sprintf(": minirun needs %s %s", capability, to)
	}
	return ""
}
