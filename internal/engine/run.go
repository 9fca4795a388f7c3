package engine

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/container"
	"github.com/minirun/minirun/internal/container/diagnose"
	"github.com/minirun/minirun/internal/container/record"
	"github.com/minirun/minirun/internal/engine/attendance"
	"github.com/minirun/minirun/internal/engine/connection"
)

// Exit statuses of a container that did not start, as in Docker.
const (
	CannotRun = 125
	cannotUse = 126 // the program exists
	notFound  = 127
)

// killedStatus is the status of a container that SIGKILL ended.
const killedStatus = 128 + int(unix.SIGKILL)

// Run starts a container that Create has created, attends it until it exits, and returns
// how it ended. A container that does not start is removed.
func (e *Engine) Run(r *Record, o container.Options, started func()) (*End, error) {
	a, err := e.attend(r.Container)
	if err != nil {
		return &End{Status: CannotRun}, err
	}
	defer a.leave()
	end, err := a.attendUntilEnd(r, o, started)
	if err == nil {
		connection.WarnAfterFailure(e.Warn, r.Network, r.StandardNetwork, end.Status)
	}
	return end, err
}

// attendUntilEnd starts a container, and again if its restart policy asks for it, until it has
// ended for good, and returns its last end. If it did not start, the end has the status for that.
func (a *attendant) attendUntilEnd(r *Record, o container.Options, started func()) (*End, error) {
	e := a.engine
	o.Root, o.ID, o.Bundle, o.Warn, o.Inherited = e.Root, r.Container, e.Store.Container(r.Container), e.Warn,
		e.Inherited
	o.SystemdCgroup, o.NoCgroup = e.Systemd, e.NoCgroup
	isNew := a.Now.Started.IsZero()
	end, err := a.runOnce(r, o, started)
	if end == nil {
		if isNew {
			err = errors.Join(err, e.removeWithVolumes(r))
		}
		return &End{Status: StatusOf(err)}, err
	}
	if err == nil {
		end, err = a.restart(o, end)
	}
	if r.Remove && !e.stopRequest(r.Container).Keep {
		return end, errors.Join(err, e.removeWithVolumes(r))
	}
	return end, err
}

// runOnce runs a container once, and records how it ended. If it did not start, the end is nil.
func (a *attendant) runOnce(r *Record, o container.Options, started func()) (*End, error) {
	e := a.engine
	if err := e.rejoin(r); err != nil {
		return nil, err
	}
	if err := loadProfile(r); err != nil {
		return nil, err
	}
	network := e.networkStart(r)
	held, err := network.Hold()
	if err != nil {
		return nil, err
	}
	defer held.Close()
	running := false
	ctx, stop := context.WithCancel(context.Background())
	probing := make(chan struct{})
	close(probing)
	exit, err := container.Run(o, container.RunOptions{Started: func() {
		running = true
		a.Report(func(now *attendance.Report) { now.Running, now.Started, now.Next = true, time.Now().UTC(), nil })
		held.Serve(func() netip.Addr { return e.networks().Address(r.Container) })
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
		return nil, network.Explain(err)
	}
	a.asked = exit.Asked
	end := &End{Status: exit.Status, Finished: time.Now().UTC()}
	if exit.Memory != nil {
		end.OutOfMemory, end.MemoryLimit = true, exit.Memory.Limit
	}
	return end, errors.Join(err, a.recordEnd(end))
}

// recordEnd records how the container ended, first for good.
func (a *attendant) recordEnd(end *End) error {
	err := writeJSON(a.engine.file(a.id, endFile), end)
	a.Report(func(now *attendance.Report) { now.Running, now.Status, now.Ends = false, end.Status, now.Ends+1 })
	return err
}

// cleanUp removes what a container's last attendant left because it was killed, and records that it
// ended. A container that was started with --rm is removed, unless keep is set.
func (a *attendant) cleanUp(r *Record, keep bool) error {
	e := a.engine
	memory := container.MemoryEndOf(e.Root, a.id)
	left, err := e.delete(a.id)
	if err != nil {
		return err
	}
	if left || a.Now.Running {
		end := &End{Lost: true, Status: killedStatus, Finished: time.Now().UTC()}
		if memory != nil {
			end.OutOfMemory, end.MemoryLimit = true, memory.Limit
		}
		if err := a.recordEnd(end); err != nil {
			return err
		}
	}
	// After a power failure overlay's work directory is still there, with a mark that it was not
	// unmounted.
	if err := record.RemoveWork(e.file(a.id, ".upper.work")); err != nil && os.Geteuid() == 0 {
		return err
	}
	if r.Remove && !keep {
		return e.removeWithVolumes(r)
	}
	return nil
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
