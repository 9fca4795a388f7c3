package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/container"
	"github.com/minirun/minirun/internal/container/diagnose"
	"github.com/minirun/minirun/internal/flock"
)

// Exit statuses of a container that did not start, as in Docker.
const (
	CannotRun = 125
	cannotUse = 126 // the program exists
	notFound  = 127
)

// Run starts a container that Create has created, attends it until it exits, and returns
// how it ended. A container that does not start is removed.
func (e *Engine) Run(r *Record, o container.Options, started func()) (int, error) {
	o.Root, o.ID, o.Bundle, o.Warn, o.Inherited = e.Root, r.Container, e.Store.Container(r.Container), e.Warn,
		e.Inherited
	o.SystemdCgroup, o.NoCgroup = e.Systemd, e.NoCgroup
	attending, err := e.attend(r.Container, os.O_CREATE)
	if err != nil {
		return CannotRun, err
	}
	defer attending.Close()
	if err := e.rejoin(r); err != nil {
		return CannotRun, errors.Join(err, e.removeUnstarted(r))
	}
	running := false
	ctx, stop := context.WithCancel(context.Background())
	probing := make(chan struct{})
	close(probing)
	status, err := container.Run(o, container.RunOptions{Started: func() {
		running = true
		if r.Health != nil {
			probing = make(chan struct{})
			go func() {
				defer close(probing)
				e.watchHealth(ctx, r)
			}()
		}
		started()
	}})
	stop()
	<-probing
	if !running {
		return StatusOf(err), errors.Join(err, e.removeUnstarted(r))
	}
	if r.Remove {
		return status, errors.Join(err, e.removeAnonymous(r), e.removeFiles(r.Container))
	}
	return status, errors.Join(err, writeJSON(e.file(r.Container, endFile), End{status, time.Now().UTC()}))
}

// removeUnstarted removes a container that did not start, unless it ran before.
func (e *Engine) removeUnstarted(r *Record) error {
	if _, err := os.Lstat(e.file(r.Container, endFile)); err == nil {
		return nil
	}
	return errors.Join(e.removeAnonymous(r), e.removeFiles(r.Container))
}

// attend takes the lock that shows that a process attends the container, until the
// record of how it ended is written. The kernel drops the lock if that process is
// killed.
func (e *Engine) attend(id string, create int) (*os.File, error) {
	f, err := os.OpenFile(e.file(id, attendedFile), os.O_RDONLY|create, 0o600)
	if err != nil {
		return nil, err
	}
	if err := flock.Lock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("container %s: another minirun is already running it: %w", id, err)
	}
	if named, err := flock.IsNamed(int(f.Fd()), f.Name()); !named {
		f.Close()
		return nil, fmt.Errorf("container %s has just been removed: %w", id, cmp.Or(err, fs.ErrNotExist))
	}
	return f, nil
}

// StatusOf returns the exit status for a container that did not start.
func StatusOf(err error) int {
	var program *diagnose.ProgramError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, exec.ErrNotFound):
		return notFound
	case !errors.As(err, &program):
	case program.Errno == unix.ENOENT || program.Errno == unix.ENOTDIR:
		return notFound
	case program.Errno == unix.EACCES || program.Errno == unix.ENOEXEC || program.Errno == unix.EISDIR:
		return cannotUse
	}
	return CannotRun
}

// removeFiles removes a container's directory. If files in it belong to a user's
// subordinate IDs, root of that user namespace has to do it.
func (e *Engine) removeFiles(id string) error {
	dir := e.Store.Container(id)
	// First the file that marks it as a container: a removal that is killed leaves
	// only garbage.
	if err := os.Remove(e.file(id, recordFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	err := os.RemoveAll(dir)
	if err != nil && os.Geteuid() != 0 {
		return e.help("remove-files", id)
	}
	return err
}
