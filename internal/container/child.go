package container

import (
	"errors"
	"io"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/bootstrap"
	"github.com/minirun/minirun/internal/plan"
)

// A child is a process of a container that this one has made from a plan and
// speaks with: the container's first process, or one of `exec`. What it is
// asked, why it has failed, and how long it runs is the same for both.
type child struct {
	// Console is the master of the process's terminal, if it has one and no
	// console socket took it.
	Console *os.File

	relay   *terminalPipes // nil if none of the caller's terminals is replaced by a pipe
	who     string         // for messages
	options Options
	spec    *specs.Spec // with the process that is to run
	plan    *plan.Plan
	// observed is what runs in the place of plan, if somebody watches.
	observed *plan.Observed
	proc     *bootstrap.Process
	early    []unix.Signal // came before there was a program to pass them on to
	killed   bool          // by SIGKILL, before its execve
	toldEnd  bool          // a signal asked minirun to end
	pidFiled bool          // --pid-file names the process
	// clonedLast is true if the plan clones the process that goes on into a PID
	// namespace with others in it, and arrived once it has.
	clonedLast, arrived bool
	asked               uint64   // the points of handshake that it has asked, as bits: see mayAsk
	outside             bool     // its cgroup was full, and it is not in it yet
	listener            *os.File // of its seccomp filter, until the agent gets it
	roots               []string // where the container's files are on the host, topmost first: for hints
	rootsMounted        bool     // with the container's mounts

	explain func(*bootstrap.ErrFailed) error // tells of a failed step; nil: stepError does
}

const firstProcess = "the container's first process"

// converse answers the process's questions until its execve has succeeded.
func (c *child) converse(answer func(bootstrap.Message) ([]byte, error)) error {
	for {
		if err := c.attentive(c.proc.FDs()...); err != nil {
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
