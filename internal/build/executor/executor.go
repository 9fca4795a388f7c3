// Package executor executes a RUN: it runs a minirun container whose root file system consists of
// the layers so far, and whose writes become the step's own layer.
//
//	executor.go     Executor, Step: the request; a step from start to end
//	steprun.go      a step's directory and thread
//	mountns.go      the mount namespace of a step's thread
//	config.go       config.json (pure)
//	network.go      /etc/hosts, /etc/resolv.conf (pure)
//	mountpoints.go  mountpoints that the layers do not have
//	device.go       RUN --device
//	mounts.go       RUN --mount: bind, tmpfs, here-documents
//	cache.go        RUN --mount=type=cache: persistent directories and their locks
//	secret.go       RUN --mount=type=secret
//	ssh.go          RUN --mount=type=ssh
//	child.go        the minirun process that runs the container
//	platform.go     programs for other architectures
//	sweep.go        cleaning up after killed builds
//
// Nothing is mounted in the host's mount namespace. Each step has a thread with a private
// mount namespace, in which a tmpfs holds the bundle, including all secrets, and the file
// systems to bind-mount. The minirun process that runs the container is a child of that
// thread, so it sees them too. When both have exited, the kernel unmounts everything.
//
// No path that a container could have changed is looked up by name afterwards: the mountpoints
// that a step needs are not created in its layer and removed again. They are in a separate
// layer below it.
package executor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	oci "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/build/graph"
	"github.com/minirun/minirun/internal/build/sshagent"
	"github.com/minirun/minirun/internal/image/store"
	"github.com/minirun/minirun/internal/ownthread"
	"github.com/minirun/minirun/internal/stdio"
)

// An Executor runs steps, also concurrently.
type Executor struct {
	Minirun string // path of the binary
	Store   *store.Store
	Network string // default network of a step: host ("" too) or none

	// DeviceDirs are the directories of CDI specs; none: devices.Directories.
	DeviceDirs []string

	prefix string // prefix of its containers' names; "": run-
}

// A Step is a RUN with everything that it needs from elsewhere.
type Step struct {
	Op     *graph.Run
	Layers []string // directories, lowest first
	// Dir has an empty directory fs, which becomes the step's layer. It is on the store's file
	// system. Nothing else is in Dir afterwards.
	Dir      string
	Platform oci.Platform
	Mounts   map[int]Mounted // by index in Op.Mounts, for mounts with a From
	Secrets  Secrets
	SSH      map[string]*sshagent.Agent // by ID
	Output   io.Writer                  // of the program; nil: discarded
}

// Mounted is the file system that a mount's From refers to.
type Mounted struct{ Layers []string }

// Secrets are indexed by ID.
type Secrets map[string]Secret

// A Secret is a value, or the name of a file that contains it.
type Secret struct {
	Data []byte
	File string
}

// An ExitError means that the program failed.
type ExitError struct {
	Status int
	Argv   []string
}

// Error uses BuildKit's wording, which people search for.
func (e *ExitError) Error() string {
	const most = 400
	command := strings.Join(e.Argv, " ")
	if len(command) > most {
		command = strings.ToValidUTF8(command[:most], "") + " …"
	}
	text := fmt.Sprintf("process %q did not complete successfully: exit code: %d", command, e.Status)
	switch n := e.Status - 128; {
	case e.Status == 126:
		text += " (found, but it cannot be executed)"
	case e.Status == 127:
		text += " (command not found)"
	case n > 0 && unix.SignalName(unix.Signal(n)) != "":
		text += fmt.Sprintf(" (killed by signal %d, %s)", n, unix.SignalName(unix.Signal(n)))
		if unix.Signal(n) == unix.SIGKILL {
			text += ", perhaps because the system ran out of memory"
		}
	}
	return text
}

// A StartError means that the program could not be executed.
type StartError struct{ Message string }

func (e *StartError) Error() string { return e.Message }

// Run runs a step. If ctx ends before the program does, the program is killed. What the step
// has written is in Dir/fs, even after an error; everything else is removed.
func (e *Executor) Run(ctx context.Context, s *Step) error {
	return e.run(ctx, s, nil)
}

// Debug runs a shell with a terminal in the environment of a step, which may have failed: the
// shell sees the files in Dir/fs. Debug returns when the shell exits, and ignores its exit
// status.
func (e *Executor) Debug(ctx context.Context, s *Step, terminal *os.File) error {
	op := *s.Op
	op.Argv = []string{"/bin/sh"}
	shell := *s
	shell.Op = &op
	defer restoreSettings(stdio.Descriptor(terminal.Fd()))()
	err := e.run(ctx, &shell, terminal)
	var exit *ExitError
	if errors.As(err, &exit) {
		return nil
	}
	return err
}

// restoreSettings returns a function that restores the current settings of a terminal: minirun
// cannot if it is killed. In the background they are left to the shell.
func restoreSettings(terminal stdio.Descriptor) func() {
	before, err := unix.IoctlGetTermios(int(terminal), unix.TCGETS)
	if err != nil || terminal.InBackground() {
		return func() {}
	}
	return func() {
		defer stdio.IgnoreJobControl()()
		if !terminal.InBackground() {
			_ = unix.IoctlSetTermios(int(terminal), unix.TCSETS, before)
		}
	}
}

func (e *Executor) run(ctx context.Context, s *Step, terminal *os.File) (err error) {
	r, err := e.newStepRun(s)
	if err != nil {
		return fmt.Errorf("cannot prepare the step: %w", err)
	}
	r.terminal = terminal
	defer func() { err = errors.Join(err, r.close()) }()
	if err := r.takeCaches(ctx); err != nil {
		return err
	}
	return ownthread.Run(func() error {
		if err := r.prepare(); err != nil {
			return err
		}
		return r.runContainer(ctx)
	})
}

// idPrefix is the prefix of the names of steps' directories in the store's tmp, and of the IDs of
// their containers.
func (e *Executor) idPrefix() string { return cmp.Or(e.prefix, "run-") }

// root is the state directory of the steps' containers.
func (e *Executor) root() string { return filepath.Join(e.Store.Dir, "build", "run") }
