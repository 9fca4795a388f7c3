package container

import (
	"errors"
	"io"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/bootstrap"
	"github.com/minirun/minirun/internal/container/terminal"
	"github.com/minirun/minirun/internal/container/wait"
	"github.com/minirun/minirun/internal/plan"
)

// Settings are the command's settings for one process.
type settings struct {
	PidFile       string
	ConsoleSocket string
	PidFDSocket   string // gets the pidfd of the process
	Inherited     []int  // descriptors from 3 on that belong to the caller, not to minirun
	Attended      bool   // minirun stays until the process exits
	Terminal      int    // of the caller, if it is connected with the process's
	Watch         Watch  // nil: the start is not observed
	Warn          func(any)
}

// A child is a process of a container that this one has created from a plan and
// communicates with: the container's first process, or one of `exec`. Its questions,
// its failures and its lifetime are handled in the same way for both.
type child struct {
	// Console is the master of the process's terminal, if it has one and no
	// console socket took it.
	Console *os.File

	pipes    *terminal.Pipes // nil if none of the caller's terminals is replaced by a pipe
	who      string          // for messages
	settings settings
	signals  wait.Signals
	spec     *specs.Spec // with the process to run
	plan     *plan.Plan
	// observed is the plan that runs instead of plan, if there is an observer.
	observed *plan.Observed
	proc     *bootstrap.Process
	killed   bool // by SIGKILL, before its execve
	pidFiled bool // --pid-file names the process
	// clonedLast is true if the plan clones the process that continues into a PID
	// namespace with other processes, and arrived after it has done so.
	clonedLast, arrived bool
	asked               uint64   // the points of handshake that it has reached, as bits: see mayAsk
	outside             bool     // its cgroup was full, and it is not in it yet
	listener            *os.File // of its seccomp filter, until it is sent to the agent
	roots               []string // where the container's files are on the host, topmost first: for hints
	rootsMounted        bool     // with the container's mounts

	explain func(*bootstrap.ErrFailed) error // describes a failed step; nil: stepError does
}

const firstProcess = "the container's first process"

// converse answers the process's questions until its execve has succeeded.
func (c *child) converse(answer func(bootstrap.Message) ([]byte, error)) error {
	for {
		if err := c.signals.ForReadable(c.proc.FDs()...); err != nil {
			return err
		}
		m, err := c.proc.Receive()
		if errors.Is(err, io.EOF) {
			if c.proc.Became() {
				return nil // execve has closed the socket
			}
			return c.endedEarly()
		}
		if err != nil {
			return c.died(err)
		}
		reply, err := answer(m)
		if err != nil {
			return err
		}
		if reply == nil {
			continue
		}
		if err := c.proc.Reply(reply); err != nil {
			return c.died(err)
		}
	}
}

// openDescriptors opens what the process gets as descriptors. replaced: the plan replaces
// the host's /dev/null.
func (c *child) openDescriptors(preserve int, replaced bool) (*terminal.Descriptors, error) {
	d, err := terminal.Open(&terminal.Request{
		Terminal: c.spec.Process.Terminal, Preserve: preserve, Inherited: c.settings.Inherited,
		Attended: c.settings.Attended, NullReplaced: replaced, Warn: c.settings.Warn,
	})
	c.pipes = d.Pipes // also after an error: they have begun to copy
	return d, err
}
