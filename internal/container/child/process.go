// Package child is a process of a container that minirun has created from a plan, and the
// conversation with it: its questions, its failures, its terminal, its lifetime. The
// container's first process and those of `exec` have these in common.
package child

import (
	"errors"
	"io"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/bootstrap"
	"github.com/minirun/minirun/internal/container/observer"
	"github.com/minirun/minirun/internal/container/terminal"
	"github.com/minirun/minirun/internal/container/wait"
	"github.com/minirun/minirun/internal/plan"
)

// Settings are the command's settings for one process.
type Settings struct {
	ID            string // the container's
	PidFile       string
	ConsoleSocket string
	PidFDSocket   string            // gets the pidfd of the process
	Inherited     []int             // descriptors from 3 on that belong to the caller, not to minirun
	Attended      bool              // minirun stays until the process exits
	Terminal      int               // of the caller, if it is connected with the process's
	Observer      observer.Observer // nil: the start is not observed
	Warn          func(any)
}

// A Process is a process of a container that this one has created from a plan and
// communicates with: the container's first process, or one of `exec`. Its questions,
// its failures and its lifetime are handled in the same way for both.
type Process struct {
	// Console is the master of the process's terminal, if it has one and no
	// console socket took it.
	Console *os.File

	Pipes       *terminal.Pipes // nil if none of the caller's terminals is replaced by a pipe
	Description string          // for messages
	Settings    Settings
	Signals     wait.Signals
	Spec        *specs.Spec // with the process to run
	Plan        *plan.Plan
	// Observed is the plan that runs instead of Plan, if there is an observer.
	Observed     *plan.Observed
	Proc         *bootstrap.Process
	Killed       bool // by SIGKILL, before its execve
	WrotePidFile bool // --pid-file names the process
	// ClonedLast is true if the plan clones the process that continues into a PID
	// namespace with other processes, and arrived after it has done so.
	ClonedLast, arrived bool
	askedPoints         uint64   // the points of handshake that it has reached, as bits: see CheckQuestion
	outsideCgroup       bool     // its cgroup was full, and it is not in it yet
	SeccompListener     *os.File // of its seccomp filter, until it is sent to the agent
	Roots               []string // where the container's files are on the host, topmost first: for hints
	RootsMounted        bool     // with the container's mounts

	lastDiscarded unix.Signal // asked to exit, and had no effect: see handleDiscarded
	discarded     int         // how many times in succession
	endedBy       unix.Signal // the process was killed for it

	Explain func(*bootstrap.ErrFailed) error // describes a failed step; nil: explainStep does
}

// FirstProcess describes a container's first process in messages.
const FirstProcess = "the container's first process"

// Converse answers the process's questions until its execve has succeeded.
func (c *Process) Converse(answer func(bootstrap.Message) ([]byte, error)) error {
	for {
		if err := c.Signals.ForReadable(c.Proc.FDs()...); err != nil {
			return err
		}
		m, err := c.Proc.Receive()
		if errors.Is(err, io.EOF) {
			if c.Proc.Became() {
				return nil // execve has closed the socket
			}
			return c.checkEarlyExit()
		}
		if err != nil {
			return c.ExplainDeath(err)
		}
		reply, err := answer(m)
		if err != nil {
			return err
		}
		if reply == nil {
			continue
		}
		if err := c.Proc.Reply(reply); err != nil {
			return c.ExplainDeath(err)
		}
	}
}

// OpenDescriptors opens what the process gets as descriptors. replaced: the plan replaces
// the host's /dev/null.
func (c *Process) OpenDescriptors(preserve int, replaced bool) (*terminal.Descriptors, error) {
	d, err := terminal.Open(&terminal.Request{
		Terminal: c.Spec.Process.Terminal, Preserve: preserve, Inherited: c.Settings.Inherited,
		Attended: c.Settings.Attended, NullReplaced: replaced, Warn: c.Settings.Warn,
	})
	c.Pipes = d.Pipes // also after an error: they have begun to copy
	return d, err
}
