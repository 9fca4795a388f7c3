package exec

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/minirun/minirun/internal/cgroups/group"
	"github.com/minirun/minirun/internal/container/compile"
	"github.com/minirun/minirun/internal/systemd"
)

// attachToUnit has systemd move a process of exec, which waits for that, into the
// container's unit.
func (e *execution) attachToUnit() error {
	below := strings.TrimPrefix(e.cgroup, e.record.Cgroups[""])
	err := e.Signals.Run(func(ctx context.Context) error {
		_, err := systemd.Do(ctx, &systemd.Request{Do: systemd.Attach, Unit: *e.record.Unit, Pid: e.Proc.Pid,
			Below: below})
		return err
	})
	if err != nil {
		return fmt.Errorf("exec: the container's cgroup: %w", err)
	}
	return nil
}

// joinRdt moves a process of exec into the container's group: it is a child of
// minirun, which is in another one.
func (e *execution) joinRdt() error {
	if e.record.IntelRdt == nil {
		return nil
	}
	if err := e.record.IntelRdt.Join(e.Proc.Pid); err != nil {
		return fmt.Errorf("exec: join the container's resctrl group: %w", err)
	}
	return nil
}

// findCgroups finds the cgroups to join.
func (e *execution) findCgroups(in *compile.ExecInputs, o *Options) error {
	paths, err := subCgroups(e.record.Cgroups, o.Cgroups)
	if err != nil {
		return err
	}
	e.group = group.Open(paths)
	if !e.paused { // only for the container's own cgroup: there are those above, and that of --cgroup
		if err := e.refuseFrozen(e.group, o.IgnorePaused); err != nil {
			return err
		}
	}
	e.cgroup = paths[""]
	in.Cgroups = e.group.Tasks()
	if e.paused && paths[""] != "" {
		// If it were created frozen, it would not return from fork, and neither would
		// minirun.
		in.JoinCgroup2(paths[""])
		return nil
	}
	if in.Cgroup2, err = e.group.OpenV2(); err != nil {
		return fmt.Errorf("exec: the container's cgroup: %w", err)
	}
	return nil
}

// refuseFrozen refuses a cgroup in which the process would stop, unless that is requested.
func (e *execution) refuseFrozen(cgroup *group.Group, ignorePaused bool) error {
	err := cgroup.CheckNotFrozen()
	if errors.Is(err, group.ErrFrozen) {
		if e.paused = ignorePaused; ignorePaused {
			return nil
		}
		err = fmt.Errorf("%w (use --ignore-paused to override): %w", errPaused, err)
	}
	return err
}
