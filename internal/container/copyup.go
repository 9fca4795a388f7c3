package container

import (
	"fmt"

	"github.com/minirun/minirun/internal/container/copyup"
)

// copyUp fills a new tmpfs with the content of the directory that it covers
// (tmpcopyup). Both are the container's descriptors; everything is opened relative to
// them and no link is followed, so the copy cannot leave them.
func (c *Container) copyUp(from, to int) error {
	keep := copyup.PreservedBy(c.Spec, c.copiedUp)
	c.copiedUp++
	source, err := c.Proc.Descriptor(from, "directory to copy")
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := c.Proc.Descriptor(to, "tmpfs")
	if err != nil {
		return err
	}
	defer target.Close()
	if err := copyup.Copy(c.Signals.Check, int(source.Fd()), int(target.Fd()), "", keep); err != nil {
		return fmt.Errorf("copy the directory up into the tmpfs (tmpcopyup): %w", err)
	}
	return nil
}
