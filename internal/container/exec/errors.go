package exec

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/bootstrap"
	"github.com/minirun/minirun/internal/container/child"
	"github.com/minirun/minirun/internal/container/diagnose"
	"github.com/minirun/minirun/internal/container/record"
	"github.com/minirun/minirun/internal/container/wait"
)

// killUnfinished kills a process that has not reached its program. If the container exited
// meanwhile, that is the cause of the error.
func (e *execution) killUnfinished(err error) error {
	if e.Proc != nil && !e.Proc.Reaped {
		if kill := e.Proc.Kill(); kill != nil {
			return errors.Join(err, kill)
		}
		e.Proc.CloseSync()
		// In a frozen cgroup it dies only when the cgroup is thawed.
		if wait.ForExit(int(e.Proc.PidFD.Fd()), wait.UndoLimit) {
			if _, wait := e.Proc.Wait(); wait != nil {
				return errors.Join(err, wait)
			}
		}
	}
	e.Pipes.Finish(&e.Signals)
	var interrupted *wait.Interrupted
	if !errors.As(err, &interrupted) && e.isExiting() {
		return fmt.Errorf("%w: it exited while the process was joining it", record.ErrNotRunning)
	}
	return err
}

// isExiting reports whether the container has exited or is about to. Its first process
// leaves its namespaces before it is reported as exited, and the new process may be
// killed before the first one, which then soon follows.
func (e *execution) isExiting() bool {
	if wait.HasExited(int(e.init.Fd())) {
		return true
	}
	var st unix.Stat_t
	if err := unix.Stat("/proc/"+strconv.Itoa(e.record.Pid)+"/ns/mnt", &st); errors.Is(err, unix.ENOENT) {
		return true
	}
	return e.Killed && wait.ForExit(int(e.init.Fd()), 200*time.Millisecond)
}

// explainStep describes the step that failed, and what requested it.
func (e *execution) explainStep(failed *bootstrap.ErrFailed) error {
	if failed.Step >= len(e.Plan.Steps) {
		return failed
	}
	s := &e.Plan.Steps[failed.Step]
	if child.IsExec(s) {
		return e.ProgramError(e.programSource(), failed.Errno)
	}
	return &diagnose.StepError{What: e.describeSource(s.Source) + ": " + s.BriefName(), Call: e.Plan.BriefCall(s),
		Errno: failed.Errno, Why: diagnose.ExplainStep(e.Spec, s, failed.Errno)}
}

// describeSource names the source of a setting: a path in --process, the command line or
// config.json.
func (e *execution) describeSource(source string) string {
	const own = "process."
	switch {
	case source == "":
		return execName
	case len(source) <= len(own) || source[:len(own)] != own:
		return "config.json: " + source
	case e.file != "":
		return e.file + ": " + source[len(own):]
	}
	return execName + ": " + source
}

// programSource names the document that specifies the program to execute, or the
// command.
func (e *execution) programSource() string {
	if e.file != "" {
		return e.describeSource("process.args[0]")
	}
	return execName
}
