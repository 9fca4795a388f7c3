package container

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/cgroups/group"
	"github.com/minirun/minirun/internal/container/hooks"
	"github.com/minirun/minirun/internal/container/record"
	"github.com/minirun/minirun/internal/container/wait"
)

// destroy undoes a container that could not be created or started. If one part cannot
// be released, the others still are; in that case the state stays, for delete.
func (c *Container) destroy() error {
	exists, err := c.relock()
	defer c.closeDirectory()
	ended := c.killFirstProcess()
	keep, back := c.returnDevices()
	back = errors.Join(back, c.removeUnusedRdt())
	c.closeResources()
	if err != nil || ended != nil || !exists {
		return errors.Join(err, ended, back)
	}
	if c.WrotePidFile {
		_ = os.Remove(c.options.PidFile) // it names a process that no longer exists
	}
	if keep {
		return back
	}
	warnings, err := remove(&c.Record, c.options.directory(), c.group)
	for _, w := range warnings {
		c.options.Warn(w)
	}
	if err != nil {
		return errors.Join(back, err)
	}
	if c.group != nil {
		c.group.RemoveCreated() // the parents
	}
	c.lock.Release()
	if c.Proc != nil {
		// The runtime environment existed, so the hooks are called (runtime.md,
		// "Lifecycle", 12 and 13).
		for _, w := range c.runPoststopAttended() {
			c.options.Warn(w)
		}
	}
	return back
}

// CloseFiles closes what this process holds of a container that it undoes.
func (c *Container) closeResources() {
	c.Pipes.Finish(&c.Signals)
	c.notifier.Close(&c.Signals)
	if c.Console != nil {
		c.Console.Close()
	}
	c.inside.Close()
}

// killFirstProcess kills the container's first process, if it exists, and reaps it.
func (c *Container) killFirstProcess() error {
	if c.Proc == nil {
		return nil
	}
	if c.Proc.Reaped {
		c.Proc.CloseSync()
		return nil
	}
	if err := c.KillMembers(); err != nil {
		return err
	}
	if err := c.Proc.Kill(); err != nil {
		return fmt.Errorf("kill the container's first process: %w", err)
	}
	c.Proc.CloseSync()
	if c.lock >= 0 { // otherwise its cgroup may already belong to another container
		if err := c.Thaw(); err != nil {
			return err
		}
	}
	_, err := c.ReapKilled()
	return err
}

// remove removes cgroups and state directory. Namespaces were destroyed with the last
// process, and mounts too if the container had a mount namespace. Its warnings are
// about things that no longer belong to the container.
func remove(r *record.Record, dir string, cgroup *group.Group) (warnings []error, err error) {
	if cgroup != nil {
		if err := cgroup.Delete(wait.KillLimit); err != nil {
			return nil, err
		}
	}
	if err := r.RemoveRdt(); err != nil {
		return nil, err
	}
	if err := forgetUnit(r); err != nil {
		warnings = append(warnings, err)
	}
	return warnings, r.RemoveFiles(dir)
}

// A Deletion is a request to delete a container.
type Deletion struct {
	Root, ID string
	Force    bool // in any state; a container that does not exist is not an error

	// Check may refuse the deletion before anything is changed. It receives the container's bundle, or
	// "" if there is no record of it.
	Check func(bundle string) error
}

// Delete deletes a container that has stopped or is only created, or with Force one in any state,
// and runs its poststop hooks. It returns their warnings.
func Delete(d Deletion) (warnings []error, err error) {
	root, id, force := d.Root, d.ID, d.Force
	if err := record.CheckID(id); err != nil {
		return nil, err
	}
	l, err := d.lock()
	if errors.Is(err, os.ErrNotExist) {
		if err := d.Check(""); err != nil || force {
			return nil, err
		}
		return nil, record.NotExist(root, id)
	}
	if err != nil {
		return nil, err
	}
	defer l.Release()
	r, err := record.Read(root, id)
	if err != nil {
		return nil, d.removeDamaged(err)
	}
	if err := d.Check(r.Bundle); err != nil {
		return nil, err
	}
	lost := r.FindLost()
	devices, stranded := r.StrandedDevices()
	if stranded == nil || force {
		err = r.End(force)
	}
	if devices != nil {
		defer devices.Close()
		if err == nil {
			stranded = devices.Restore()
		}
	}
	if err != nil || stranded != nil && !force {
		return nil, errors.Join(err, stranded)
	}
	warnings, err = remove(r, filepath.Join(root, id), group.Open(r.Cgroups))
	if err != nil {
		return warnings, err
	}
	for _, w := range [2]error{lost, stranded} {
		if w != nil {
			warnings = append(warnings, w)
		}
	}
	l.Release()
	return append(warnings, runPoststop(context.Background(), r)...), nil
}

// lock takes the lock. With Force it does not wait long: the holder is busy
// with the container's first process, and gives up when that is killed.
func (d Deletion) lock() (record.Lock, error) {
	dir := filepath.Join(d.Root, d.ID)
	if !d.Force {
		l, err := record.LockDirectory(dir, unix.LOCK_EX)
		return l, d.explain(err)
	}
	for until := time.Now().Add(wait.KillLimit); ; time.Sleep(time.Millisecond) {
		l, err := record.LockDirectory(dir, unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return l, d.explain(err)
		}
		if time.Now().After(until) {
			return -1, d.explain(fmt.Errorf("%w: another minirun is working on it and does not exit: see /proc/locks", err))
		}
		r, err := record.Read(d.Root, d.ID)
		if err != nil {
			continue // no record yet
		}
		if err := d.Check(r.Bundle); err != nil {
			return -1, err
		}
		if err := r.Kill(); err != nil {
			return -1, d.explain(err)
		}
	}
}

// explain names the container in an error of its lock or its processes.
func (d Deletion) explain(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("container %q: %w", d.ID, err)
}

// removeDamaged removes a state directory without a readable record: nothing was
// created before the record was written.
func (d Deletion) removeDamaged(cause error) error {
	if err := d.Check(""); err != nil || !d.Force {
		return cmp.Or(err, cause)
	}
	dir := filepath.Join(d.Root, d.ID)
	if _, err := os.Stat(filepath.Join(dir, record.RecordFile)); !errors.Is(err, os.ErrNotExist) {
		return cause
	}
	return os.RemoveAll(dir)
}

// runPoststopAttended runs the hooks of a container that this process waited for. A signal that
// asks to exit kills the current hook, and the next one begins: earlier signals were
// for the container.
func (c *Container) runPoststopAttended() (warnings []error) {
	queue := c.Signals.Queue
	if queue == nil || c.Hooks == nil {
		return runPoststop(context.Background(), &c.Record)
	}
	if _, err := queue.Pending(); err != nil {
		warnings = append(warnings, err)
	}
	for i, h := range hooks.List("poststop", c.Hooks.Poststop) {
		err := c.Signals.Run(func(ctx context.Context) error {
			return h.Run(ctx, c.OCIState(specs.StateStopped, 0))
		})
		var interrupted *wait.Interrupted
		if errors.As(err, &interrupted) {
			err = fmt.Errorf("config.json: hooks.poststop[%d]: killed because minirun received %s", i,
				unix.SignalName(interrupted.Signal))
		}
		if err != nil {
			warnings = append(warnings, err)
		}
	}
	return warnings
}

// runPoststop runs the hooks after the container was removed. Their failures are warnings
// (runtime.md, "Lifecycle", 13).
func runPoststop(ctx context.Context, r *record.Record) []error {
	if r.Hooks == nil {
		return nil
	}
	return hooks.RunAll(ctx, hooks.List("poststop", r.Hooks.Poststop), r.OCIState(specs.StateStopped, 0))
}
