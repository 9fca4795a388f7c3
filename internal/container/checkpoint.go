package container

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/cgroups/group"
	"github.com/minirun/minirun/internal/container/criu"
	"github.com/minirun/minirun/internal/container/record"
	"github.com/minirun/minirun/internal/container/wait"
	"github.com/minirun/minirun/internal/signals"
	"github.com/minirun/minirun/internal/spec"
)

// Checkpoint writes the state of a container's processes to image files with criu.
// Without LeaveRunning and PreDump this ends the container, which is then deleted;
// warnings are those of its poststop hooks.
func Checkpoint(root, id string, o criu.DumpOptions) (warnings []error, err error) {
	h, err := record.Acquire(root, id, unix.LOCK_EX)
	if err != nil {
		return nil, err
	}
	defer h.Lock.Release()
	status, err := h.Status()
	if err != nil {
		return nil, err
	}
	if status != specs.StateRunning && status != record.StatePaused {
		return nil, fmt.Errorf("container cannot be checkpointed in %s state", status)
	}
	if err := o.MakeDirectories(); err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	config, _, err := spec.Load(h.Bundle) // create has printed its warnings
	if err != nil {
		return nil, err
	}
	ends := !o.LeaveRunning && !o.PreDump
	if ends {
		if err := checkRestore(config, len(h.Layers) > 0 && h.Work == ""); err != nil {
			return nil, fmt.Errorf("%w\nhint: keep the container with --leave-running", err)
		}
	}
	args, err := criu.DumpArgs(&h.Record, &o, config, notifyDirectory(h.Dir()))
	if err != nil {
		return nil, err
	}
	c := newContainer(Options{}, purpose{})
	c.Record = h.Record
	if c.Signals.Queue, err = signals.Catch(); err != nil {
		return nil, err
	}
	if err := c.runDump(args, &o, status == record.StatePaused); err != nil {
		return nil, err
	}
	if !ends {
		return nil, nil
	}
	if err := c.End(true); err != nil { // criu has killed it; the kernel may not be done yet
		return nil, err
	}
	warnings, err = remove(&c.Record, filepath.Join(root, id), group.Open(c.Cgroups))
	if err != nil {
		return warnings, err
	}
	h.Lock.Release() // its hooks may call minirun
	return append(warnings, c.runPoststopAttended()...), nil
}

// runDump runs criu, which a signal stops. After a failure the container continues,
// unless it was paused before: a criu that is killed leaves it frozen.
func (c *Container) runDump(args []string, o *criu.DumpOptions, paused bool) error {
	err := c.Signals.Run(func(ctx context.Context) error { return criu.Dump(ctx, args, o) })
	var interrupted *wait.Interrupted
	if errors.As(err, &interrupted) {
		interrupted.Before = "criu had written all images"
	}
	if err != nil && !paused && c.IsPaused() {
		return errors.Join(err, c.Thaw())
	}
	return err
}
