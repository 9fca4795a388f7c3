package child

import (
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/bootstrap"
	"github.com/minirun/minirun/internal/container/diagnose"
	"github.com/minirun/minirun/internal/plan"
)

// explainStep describes the step that failed, with its call and what requested it, and a
// hint.
func (c *Process) explainStep(failed *bootstrap.ErrFailed) error {
	if failed.Step >= len(c.Plan.Steps) {
		return failed
	}
	if IsExec(&c.Plan.Steps[failed.Step]) {
		return c.ProgramError(ArgsSource, failed.Errno)
	}
	step := &c.Plan.Steps[failed.Step]
	return &diagnose.StepError{What: DescribeStep(step), Call: c.Plan.BriefCall(step), Errno: failed.Errno,
		Why: diagnose.ExplainStep(c.Spec, step, failed.Errno)}
}

// DescribeStep returns what requested a step, and its name.
func DescribeStep(s *plan.Step) string {
	where := "set-up"
	if s.Source != "" {
		where = "config.json: " + s.Source
	}
	return where + ": " + s.BriefName()
}

// IsExec reports whether a step fails because the program cannot be executed.
func IsExec(s *plan.Step) bool {
	return s.Kind == plan.Program
}

// ArgsSource names the program of config.json in messages.
const ArgsSource = "config.json: process.args[0]"

// ProgramError explains why the program could not be executed.
func (c *Process) ProgramError(source string, errno unix.Errno) *diagnose.ProgramError {
	p := c.Spec.Process
	program := diagnose.Program{
		Name: p.Args[0], Env: p.Env, Cwd: p.Cwd, Roots: c.Roots,
		HidesMounts: !c.RootsMounted && len(c.Spec.Mounts) > 0,
	}
	return &diagnose.ProgramError{Source: source, Program: p.Args[0], Errno: errno, Explanation: program.Explain(errno)}
}

// Continue is the answer that lets the process continue with its next step.
var Continue = []byte{1}

// ExplainDeath explains why the process has closed the socket or could not be written to: a
// failed step, or its death.
func (c *Process) ExplainDeath(err error) error {
	var failed *bootstrap.ErrFailed
	if errors.As(err, &failed) {
		failed.Step = c.originalStep(failed.Step)
		if c.Explain != nil {
			return c.Explain(failed)
		}
		return c.explainStep(failed)
	}
	if !errors.Is(err, io.EOF) && !errors.Is(err, unix.EPIPE) && !errors.Is(err, unix.ECONNRESET) {
		return fmt.Errorf("talk to %s: %w", c.Description, err)
	}
	if kill := c.Proc.Kill(); kill != nil {
		return kill
	}
	if c.Proc.Reaped {
		return fmt.Errorf("%s exited while it was being started", c.Description)
	}
	status, err := c.ReapKilled()
	if err != nil {
		return err
	}
	if status.Signaled() {
		hint := ""
		if status.Signal() == unix.SIGKILL {
			c.Killed = true
			hint = "\nhint: it may have run out of memory: see linux.resources.memory.limit, and dmesg(1)"
		}
		return fmt.Errorf("%s was killed by signal %d (%s) while it was being set up%s", c.Description, status.Signal(),
			unix.SignalName(status.Signal()), hint)
	}
	return fmt.Errorf("%s exited with status %d while it was being set up", c.Description, status.ExitStatus())
}
