package container

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/container/compile"
	"github.com/minirun/minirun/internal/container/diagnose"
	"github.com/minirun/minirun/internal/container/record"
)

// createRecord creates the state directory and records what the container will have.
func (c *Container) createRecord(in compile.Inputs) error {
	o := &c.options
	if err := record.CheckID(o.ID); err != nil {
		return err
	}
	dir := o.directory()
	// An upper directory in it may get set-user-ID programs, which no other user of
	// the host may run.
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, os.ErrNotExist) {
		if err := os.MkdirAll(o.Root, 0o700); err != nil {
			return fmt.Errorf("state directory: %w", err)
		}
		err = os.Mkdir(dir, 0o700)
	}
	if err != nil {
		if errors.Is(err, os.ErrExist) {
			return fmt.Errorf("a container with ID %q already exists\nhint: choose another ID, or delete it: minirun delete %s",
				o.ID, o.ID)
		}
		return fmt.Errorf("state directory: %w", err)
	}
	if err := c.lockNewDirectory(dir); err != nil {
		_ = os.Remove(dir) // an empty one, if it exists
		c.closeDirectory()
		return fmt.Errorf("state directory: lock %s: %w", dir, err)
	}
	if err := c.writeIntent(dir, in); err != nil {
		err = errors.Join(err, os.RemoveAll(dir)) // while it is locked
		c.closeDirectory()
		return err
	}
	return nil
}

// writeIntent records what the container will have, before any of it exists.
func (c *Container) writeIntent(dir string, in compile.Inputs) error {
	o := &c.options
	c.Record = record.Record{
		Version: specs.Version, ID: o.ID, Bundle: o.Bundle, Rootfs: in.Rootfs.Root, Created: time.Now().UTC(),
		Cgroups: c.group.Paths(), Hooks: c.Spec.Hooks, Annotations: c.Spec.Annotations,
		NoKeyring: o.NoKeyring, Unit: c.Unit,
	}
	if err := checkNames(in); err != nil {
		return err
	}
	if p := c.Spec.Linux.Seccomp; p != nil && p.ListenerPath != "" {
		c.Listener = &record.Listener{Path: p.ListenerPath, Metadata: p.ListenerMetadata}
	}
	if c.rdt != nil {
		c.IntelRdt = &c.rdt.Group
	}
	for _, l := range in.Rootfs.Layers {
		c.Record.Layers = append(c.Record.Layers, l.Path)
	}
	c.Record.Upper = in.Rootfs.Upper
	if in.Rootfs.Stable {
		c.Record.Work = in.Rootfs.Work
	}
	if in.Rootfs.OnHost {
		if err := c.IntendHostMount(); err != nil {
			return err
		}
	}
	if c.Hooks != nil && len(c.Hooks.Poststart) > 0 {
		c.Declared = c.Spec.Version
	}
	if err := c.refuseUsedCgroup(); err != nil {
		return err
	}
	return c.Record.Write(dir)
}

// checkNames refuses paths that the record, which is JSON, would change: later
// commands would not find the files.
func checkNames(in compile.Inputs) error {
	paths := []string{in.Rootfs.Bundle, in.Rootfs.Root, in.Rootfs.Upper, in.Rootfs.Work}
	for _, l := range in.Rootfs.Layers {
		paths = append(paths, l.Path)
	}
	for _, path := range paths {
		if !utf8.ValidString(path) {
			return fmt.Errorf("%q: the path is not UTF-8, so it cannot be stored in the container's state", path)
		}
	}
	return nil
}

// refuseUsedCgroup refuses a cgroup that belongs to another container before the record names it:
// undoing a container kills the processes in its cgroup. It refuses a frozen one too,
// in which the process would stop before its first step.
func (c *Container) refuseUsedCgroup() error {
	if err := c.group.CheckUnused(); err != nil {
		return fmt.Errorf("config.json: linux.cgroupsPath: %w", err)
	}
	if err := c.group.CheckNotFrozen(); err != nil {
		return fmt.Errorf("config.json: linux.cgroupsPath: %w\nhint: thaw it, or choose another linux.cgroupsPath", err)
	}
	return nil
}

// recordNamespaces adds the container's namespaces to the record.
func (c *Container) recordNamespaces() {
	c.Namespaces = c.setup.New
	for _, j := range c.setup.Joins {
		c.Joined |= j.Flag
	}
	c.Namespaces |= c.Joined
}

// recordProcess adds the container's first process to the record.
func (c *Container) recordProcess() error {
	c.Pid = c.Proc.Pid
	var err error
	if c.StartTime, err = record.ReadStartTime(c.Pid); err != nil {
		return fmt.Errorf("the container's first process exited: %w", err)
	}
	if err := c.Record.Write(c.options.directory()); err != nil {
		return err
	}
	if err := c.joinRdt(); err != nil {
		return err
	}
	if adj := c.Spec.Process.OOMScoreAdj; adj != nil {
		path := "/proc/" + strconv.Itoa(c.Pid) + "/oom_score_adj"
		if err := os.WriteFile(path, []byte(strconv.Itoa(*adj)), 0); err != nil {
			return fmt.Errorf("config.json: process.oomScoreAdj: %w%s", err,
				diagnose.MissingCapability(err, "CAP_SYS_RESOURCE", "to lower it"))
		}
	}
	return nil
}
