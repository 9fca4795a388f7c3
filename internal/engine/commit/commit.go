// Package commit pauses a container while minirun-image creates an image from what it has written.
package commit

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/container/control"
	"github.com/minirun/minirun/internal/container/record"
	"github.com/minirun/minirun/internal/engine"
	"github.com/minirun/minirun/internal/messages"
)

// A Request is a call of minirun commit.
type Request struct {
	Container string
	Name      string // of the image; "" for none
	Author    string
	Message   string
	Changes   []string // Dockerfile instructions
	Pause     bool
}

// Run creates the image, whose ID minirun-image prints. Signals end minirun-image, and then the
// container continues.
func Run(e *engine.Engine, r Request) (err error) {
	if e.Helper == "" {
		return errors.New("commit needs minirun-image, which is not installed next to minirun\nhint: make install puts " +
			"both in one directory")
	}
	if _, err := e.Record(r.Container); err != nil {
		return err
	}
	caught := make(chan os.Signal, 8)
	signal.Notify(caught, unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	defer signal.Stop(caught)
	if r.Pause {
		resume, err := pause(e.Root, r.Container)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, resume()) }()
	}
	cmd := exec.Command(e.Helper, r.arguments(e.Store.Dir)...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return runWithSignals(cmd, caught)
}

func (r *Request) arguments(store string) []string {
	args := []string{"--store", store, "commit-container", "--author", r.Author, "--message", r.Message}
	for _, c := range r.Changes {
		args = append(args, "--change", c)
	}
	args = append(args, "--", r.Container)
	if r.Name != "" {
		args = append(args, r.Name)
	}
	return args
}

// pause pauses a container that is running, and returns how to continue it. A container that the user
// has paused stays paused.
func pause(root, id string) (resume func() error, err error) {
	none := func() error { return nil }
	state, err := control.State(root, id)
	switch {
	case errors.Is(err, record.ErrNotExist):
		return none, nil // it ended
	case err != nil:
		return nil, err
	case state.Status != specs.StateRunning:
		return none, nil
	}
	err = control.Pause(root, id)
	switch {
	case errors.Is(err, record.ErrNotRunning), errors.Is(err, record.ErrNotExist):
		return none, nil // it ended meanwhile
	case err != nil:
		return nil, fmt.Errorf("commit %s: %w\nhint: --pause=false copies the files while the container runs", id, err)
	}
	return func() error {
		err := control.Resume(root, id)
		if errors.Is(err, record.ErrNotExist) {
			return nil
		}
		return err
	}, nil
}

// runWithSignals runs a command and forwards signals to it. The terminal sends SIGINT to both.
func runWithSignals(cmd *exec.Cmd, caught <-chan os.Signal) error {
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("cannot execute minirun-image: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case s := <-caught:
			if s != unix.SIGINT {
				_ = cmd.Process.Signal(s) // it may have exited already
			}
		case err := <-ended:
			var exit *exec.ExitError
			if errors.As(err, &exit) { // it has printed why
				return messages.ExitStatus(max(exit.ExitCode(), 1))
			}
			return err
		}
	}
}
