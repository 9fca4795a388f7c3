package control

import (
	"context"
	"errors"
	"fmt"

	"github.com/minirun/minirun/internal/container/record"
	"github.com/minirun/minirun/internal/container/wait"

	"github.com/minirun/minirun/internal/cgroups"
	"github.com/minirun/minirun/internal/systemd"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// updateUnit passes changed limits to systemd. It rounds some, so they are written
// before and after.
func updateUnit(r *record.Record, host *cgroups.Host, group *cgroups.Group, changed *specs.LinuxResources) error {
	values, err := group.Changes(host, changed)
	if err != nil {
		return err
	}
	// Whatever changes, systemd writes its own cpu.max again.
	err = group.Keeping("cpu.max", func() error {
		_, err := systemd.Do(context.Background(), &systemd.Request{Do: systemd.Set, Unit: *r.Unit, Values: values})
		return err
	})
	if err != nil {
		return fmt.Errorf("update: %w", err)
	}
	_, err = group.Update(host, changed)
	return err
}

// restoreUnit undoes an update that systemd refused or did not answer, in the unit if
// it answers, and in the cgroup's files.
func restoreUnit(r *record.Record, group *cgroups.Group, old []cgroups.Value) error {
	_, err := systemd.Do(context.Background(), &systemd.Request{Do: systemd.Set, Unit: *r.Unit, Values: old, Limit: wait.SystemdLimit})
	if err != nil {
		err = fmt.Errorf("restore the old limits of %s: %w", r.Unit.Name, err)
	}
	return errors.Join(group.Restore(old), err)
}
