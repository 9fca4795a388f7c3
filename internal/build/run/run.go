// Package run carries out a RUN: a container of minirun's whose root file system is
// the layers so far, and whose writes are the step's own layer.
//
//	run.go       Executor, Step: what is asked for; a step from its beginning to its end
//	job.go       a step's directory, lock and thread
//	private.go   the mount namespace of a step's thread
//	config.go    config.json (pure)
//	network.go   /etc/hosts, /etc/resolv.conf (pure)
//	stubs.go     places to mount on that the layers do not have
//	device.go    RUN --device
//	mounts.go    RUN --mount: bind, tmpfs, here-documents
//	cache.go     RUN --mount=type=cache: directories that stay, and who may use them
//	secret.go    RUN --mount=type=secret
//	ssh.go       RUN --mount=type=ssh
//	child.go     the minirun that runs the container
//	platform.go  programs for other machines
//	sweep.go     what killed builds have left
//
// Nothing is mounted on the host. A step has a thread with a mount namespace of
// its own; there a tmpfs takes the bundle, with it all secrets, and the file
// systems that are to be bound. The minirun that runs the container is a child of
// that thread, and so sees them too. The kernel drops all of it with the last of
// the two.
//
// Nothing that a container could have changed is looked up by name afterwards:
// the places that a mount needs are not made in the layer and removed again, they
// are a layer of their own, below it.
package run

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
	"github.com/minirun/minirun/internal/image/ingest"
	"github.com/minirun/minirun/internal/ownthread"
)

// An Executor carries out steps. They may run at the same time.
type Executor struct {
	Minirun string // path of the binary
	Store   *ingest.Store
	Network string // of steps that do not say: host ("" too) or none

	// DeviceDirs are where CDI specs are; none: devices.Directories.
	DeviceDirs []string

	prefix string // of its containers' names; "": run-
}

// A Step is a RUN, with all that it needs of others.
type Step struct {
	Op     *graph.Run
	Layers []string // directories, lowest first
	// Dir has the directory fs, empty, which takes what the step writes. It is on the
	// store's file system. Nothing else is in it afterwards.
	Dir      string
	Platform oci.Platform
	Mounts   map[int]Mounted // by index in Op.Mounts: of those with a From
	Secrets  Secrets
	SSH      map[string]*sshagent.Agent // by ID
	Output   io.Writer                  // what the program says; nil: it is lost
}

// Mounted is the file system that a mount's From has come to.
type Mounted struct{ Layers []string }

// Secrets are by ID.
type Secrets map[string]Secret

// A Secret is a text or the name of a file that has it.
type Secret struct {
	Data []byte
	File string
}

// An ExitError is a program that has failed.
type ExitError struct {
	Status int
	Argv   []string
}

// Error has BuildKit's words, which people search for.
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
			text += ": by the kernel for want of memory, perhaps"
		}
	}
	return text
}

// Run carries a step out. If ctx ends before the program does, it is killed. What
// the step has written is in Dir/fs, also after an error, and nothing else of it
// is left.
func (e *Executor) Run(ctx context.Context, s *Step) error {
	return e.run(ctx, s, nil)
}

// Debug runs a shell with a terminal where a step runs, or has failed: what is in
// Dir/fs is seen. It ends with the shell, whose status does not count.
func (e *Executor) Debug(ctx context.Context, s *Step, terminal *os.File) error {
	op := *s.Op
	op.Argv = []string{"/bin/sh"}
	shell := *s
	shell.Op = &op
	err := e.run(ctx, &shell, terminal)
	var exit *ExitError
	if errors.As(err, &exit) {
		return nil
	}
	return err
}

func (e *Executor) run(ctx context.Context, s *Step, terminal *os.File) (err error) {
	j, err := e.newJob(s)
	if err != nil {
		return fmt.Errorf("prepare the step: %w", err)
	}
	j.terminal = terminal
	defer func() { err = errors.Join(err, j.end()) }()
	if err := j.takeCaches(ctx); err != nil {
		return err
	}
	return ownthread.Run(func() error {
		if err := j.prepare(); err != nil {
			return err
		}
		return j.start(ctx)
	})
}

// named begins the names of steps' directories in the store's tmp, and the IDs of
// their containers.
func (e *Executor) named() string { return cmp.Or(e.prefix, "run-") }

// root is the state directory of the steps' containers.
func (e *Executor) root() string { return filepath.Join(e.Store.Dir, "build", "run") }
