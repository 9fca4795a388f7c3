package container

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/bootstrap"
	"github.com/minirun/minirun/internal/cgroups/host"
	"github.com/minirun/minirun/internal/cgroups/resources"
	"github.com/minirun/minirun/internal/container/compile"
	"github.com/minirun/minirun/internal/container/criu"
	"github.com/minirun/minirun/internal/container/hooks"
	"github.com/minirun/minirun/internal/container/hostfacts"
	"github.com/minirun/minirun/internal/container/record"
	"github.com/minirun/minirun/internal/container/terminal"
	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/signals"
	"github.com/minirun/minirun/internal/spec"
)

// RestoreOptions are the flags of `restore`.
type RestoreOptions struct {
	RunOptions
	CRIU criu.RestoreOptions
}

// Restore creates a container from images that checkpoint has written, with the
// bundle's mounts, limits and hooks, and continues as Run does. criu handles what is
// inside; the record, the cgroup and the clean-up are those of any container.
func Restore(o Options, how RestoreOptions) (Exit, error) {
	if how.CRIU.ImagePath == "" {
		how.CRIU.ImagePath = "checkpoint"
	}
	var err error
	if how.CRIU.ImagePath, err = filepath.Abs(how.CRIU.ImagePath); err != nil {
		return Exit{}, err
	}
	p := purpose{starts: true, attends: !how.Detach}
	if p.attends {
		if p.signals, err = signals.Catch(); err != nil {
			return Exit{}, err
		}
	}
	manager := o.NotifySocket
	o.NotifySocket = "" // the images determine whether the container has the mount
	c, inputs, err := prepare(o, p)
	if err != nil {
		return Exit{}, err
	}
	if err := checkRestore(c.Spec, len(inputs.Rootfs.Layers) > 0 && !inputs.Rootfs.Stable); err != nil {
		return Exit{}, err
	}
	if err := errors.Join(c.findTerminal(), record.CheckPidfd(), c.prepareNotifier(manager)); err != nil {
		return Exit{}, err
	}
	before, err := record.ProcessParents()
	if err != nil {
		return Exit{}, err
	}
	if err := c.createRecord(inputs); err != nil {
		return Exit{}, err
	}
	if err := c.restoreRecorded(inputs, &how); err != nil {
		made := c.Proc != nil
		err = errors.Join(err, c.destroy())
		if !made {
			err = errors.Join(err, criu.EndDescendants(before))
		}
		return Exit{}, err
	}
	if err := c.runPoststart(); err != nil {
		return Exit{}, errors.Join(err, c.destroy())
	}
	c.closeDevices()
	if how.Detach {
		c.awaitReady()
		c.Close()
		return Exit{}, nil
	}
	c.notifier.Forward(c.Pid, o.Warn)
	return c.attendAndDelete(how.Keep)
}

// checkRestore refuses what criu could not restore. loses is true if writes to layers
// are in the state directory, which is deleted with the container.
func checkRestore(s *specs.Spec, loses bool) error {
	switch {
	case hostfacts.DiesWithParent(s):
		return &spec.Error{Path: fmt.Sprintf("annotations[%q]", spec.AnnotationDieWithParent),
			Want: "cannot be restored: only a process itself can request it"}
	case !namespaces.Decide(s).Has(unix.CLONE_NEWNS):
		return &spec.Error{Path: "linux.namespaces", Want: "must have a mount namespace to restore"}
	case loses:
		return &spec.Error{Path: fmt.Sprintf("annotations[%q]", spec.AnnotationUpper),
			Want: "must be given to restore a container with layers: its writes to the default directory were deleted"}
	}
	return nil
}

// restoreRecorded has criu restore the container's processes.
func (c *Container) restoreRecorded(in compile.Inputs, how *RestoreOptions) error {
	if err := c.prepareHost(in); err != nil {
		return err
	}
	leave, err := c.createScopeForCRIU()
	if err != nil {
		return err
	}
	defer leave()
	list := c.Spec.Hooks
	hasHooks := list != nil && len(list.Prestart)+len(list.CreateRuntime) > 0
	// A joined network namespace still has its devices; those of a new one are moved
	// again.
	moves := len(c.Spec.Linux.NetDevices) > 0 && !namespaces.Decide(c.Spec).Joined(unix.CLONE_NEWNET)
	stopped := hasHooks || moves
	machine, err := host.Detect()
	if err != nil {
		return err
	}
	r := criu.Restoration{
		Options: &how.CRIU, Spec: c.Spec, Bundle: c.options.Bundle, RootFS: c.Rootfs, Annotations: c.Annotations,
		PidFile: filepath.Join(c.options.directory(), "restored.pid"), Stop: stopped,
		CgroupMounts: in.Rootfs.Cgroup, CgroupRoots: c.group.Names(machine),
		NotifyDirectory: notifyDirectory(c.options.directory()),
		OpenDescriptors: func() (*terminal.Descriptors, error) { return c.OpenDescriptors(0, false) },
		NewTerminal:     c.newConsole,
	}
	if err := c.Signals.Run(func(ctx context.Context) error { return r.Run(ctx, in) }); err != nil {
		return err
	}
	pid, err := r.ReadPID()
	if err != nil {
		return err
	}
	if err := c.recordRestored(pid); err != nil {
		return err
	}
	if err := errors.Join(c.checkConfined(), c.joinRdtRestored()); err != nil {
		return err
	}
	if moves {
		if err := c.moveDevices(); err != nil {
			return err
		}
		c.dropDevicesFromRecord()
		if err := c.Record.Write(c.options.directory()); err != nil {
			return err
		}
	}
	if hasHooks {
		// Hooks that set up the container's network come before it continues.
		if err := c.runHooks(hooks.List("prestart", list.Prestart), specs.StateCreated); err != nil {
			return err
		}
		if err := c.runHooks(hooks.List("createRuntime", list.CreateRuntime), specs.StateCreating); err != nil {
			return err
		}
	}
	if stopped {
		if err := c.SignalAll(unix.SIGCONT, true); err != nil {
			return err
		}
	}
	return errors.Join(resources.ApplyLate(c.group, c.values), c.SendConsole(), c.WritePidFile())
}

// checkConfined checks for what some versions of criu do not restore: Debian 12's 3.17
// drops no_new_privs, and only the process itself can set it.
func (c *Container) checkConfined() error {
	if !c.Spec.Process.NoNewPrivileges {
		return nil
	}
	pids, err := c.Processes()
	if err != nil {
		return err
	}
	for _, pid := range pids {
		status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
		if err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, unix.ESRCH) {
			return err
		}
		if strings.Contains(string(status), "\nNoNewPrivs:\t0\n") {
			return &spec.Error{Path: "process.noNewPrivileges",
				Want: fmt.Sprintf("is lost: this criu(8) does not restore it (process %d); a newer one may", pid)}
		}
	}
	return nil
}

// recordRestored adds the container's first process, which is this one's child, to the
// record.
func (c *Container) recordRestored(pid int) (err error) {
	if c.Proc, err = bootstrap.Adopt(pid); err != nil {
		return err
	}
	c.setup = namespaces.Decide(c.Spec)
	c.recordNamespaces()
	return c.recordProcess()
}

// newConsole creates a terminal on the host. Its master becomes the container's
// console; it returns the slave, which belongs to the container's user.
func (c *Container) newConsole() (slave *os.File, err error) {
	uid := hostfacts.HostUser(c.Spec, namespaces.Decide(c.Spec).Has(unix.CLONE_NEWUSER))
	c.Console, slave, err = terminal.Create(uid, c.Spec.Process.ConsoleSize) // closed with the container
	if err != nil {
		return nil, err
	}
	if err := c.ConnectConsole(); err != nil {
		return nil, errors.Join(err, slave.Close())
	}
	return slave, nil
}
