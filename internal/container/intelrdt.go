package container

import (
	"errors"
	"fmt"

	"github.com/minirun/minirun/internal/container/observer"
	"github.com/minirun/minirun/internal/resctrl"
)

// planIntelRdt decides the container's resctrl group, without a side effect.
func (c *Container) planIntelRdt() error {
	r := c.Spec.Linux.IntelRdt
	if r == nil || c.purpose.otherHost != nil {
		return nil
	}
	find := c.purpose.findResctrl
	if find == nil {
		find = resctrl.Find
	}
	root, err := find()
	if err == nil {
		c.rdt, err = resctrl.NewPlan(root, c.options.ID, r)
	}
	if err != nil {
		return fmt.Errorf("config.json: %s: %w", rdtSource(err), err)
	}
	return nil
}

// rdtSource returns the JSON path that an error is about.
func rdtSource(err error) string {
	var missing *resctrl.MissingError
	if errors.As(err, &missing) {
		return "linux.intelRdt.closID"
	}
	return "linux.intelRdt"
}

// makeRdt creates the container's resctrl group.
func (c *Container) makeRdt() error {
	if c.rdt == nil {
		return nil
	}
	begin := c.BeginAction()
	if err := c.rdt.Apply(); err != nil {
		c.IntelRdt = nil // Apply has removed what it made
		return fmt.Errorf("config.json: linux.intelRdt: %w", err)
	}
	c.Report(begin, observer.Action{
		What:   "prepare the resctrl group " + c.rdt.Control,
		Why:    "it divides the processor's caches and memory bandwidth",
		Source: "linux.intelRdt",
	})
	return nil
}

// joinRdt moves the container's first process into its group, before it has children.
func (c *Container) joinRdt() error {
	if c.IntelRdt == nil {
		return nil
	}
	if err := c.IntelRdt.Join(c.Pid); err != nil {
		return fmt.Errorf("config.json: linux.intelRdt: %w", err)
	}
	return nil
}

// joinRdtRestored moves all processes that criu(8) has restored into the group.
func (c *Container) joinRdtRestored() error {
	if c.IntelRdt == nil {
		return nil
	}
	return c.JoinAll(c.IntelRdt)
}

// removeUnusedRdt removes the group of a container that could not be created, if it
// has a closID and this process has created it.
func (c *Container) removeUnusedRdt() error {
	if c.rdt == nil || c.IntelRdt == nil || !c.rdt.Create || c.IntelRdt.Private {
		return nil
	}
	return c.IntelRdt.RemoveUnused()
}
