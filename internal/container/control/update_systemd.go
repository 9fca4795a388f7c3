package control

import (
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/cgroups/group"
	"github.com/minirun/minirun/internal/cgroups/host"
	"github.com/minirun/minirun/internal/cgroups/resources"
	"github.com/minirun/minirun/internal/container/record"
	"github.com/minirun/minirun/internal/container/wait"
	"github.com/minirun/minirun/internal/systemd"
)

// updateUnit passes changed limits to systemd. It rounds some, so they are written
// before and after.
func updateUnit(r *record.Record, machine *host.Host, cgroup *group.Group, changed *specs.LinuxResources) error {
	values, err := resources.Changes(cgroup, machine, changed)
	if err != nil {
		return err
	}
	// Whatever changes, systemd writes its own cpu.max again.
	err = resources.KeepFile(cgroup, "cpu.max", func() error {
		_, err := systemd.Do(context.Background(), &systemd.Request{Do: systemd.Set, Unit: *r.Unit, Values: values})
		return err
	})
	if err != nil {
		return fmt.Errorf("update: %w", err)
	}
	_, err = resources.Update(cgroup, machine, changed)
	return err
}

// restoreUnit undoes an update that systemd refused or did not answer, in the unit if
// it answers, and in the cgroup's files.
func restoreUnit(r *record.Record, cgroup *group.Group, old []resources.Value) error {
	_, err := systemd.Do(context.Background(), &systemd.Request{Do: systemd.Set, Unit: *r.Unit, Values: old,
		Limit: wait.SystemdLimit})
	if err != nil {
		err = fmt.Errorf("restore the old limits of %s: %w", r.Unit.Name, err)
	}
	return errors.Join(resources.Restore(cgroup, old), err)
}
