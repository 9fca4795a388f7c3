package container

import (
	"errors"
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/container/record"
	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/spec"
)

// A container without a mount namespace has its mounts in its caller's. All of them
// are below one, the root mounted on itself, so that unmounting that one removes them
// all. It is in the record before it exists.

// needsMounts reports whether a container mounts anything apart from its root.
func needsMounts(s *specs.Spec, layers int) bool {
	return len(s.Mounts) > 0 || s.Root.Readonly || len(s.Linux.Devices) > 0 || s.Process.Terminal ||
		s.Linux.RootfsPropagation != "" || layers > 0
}

// checkOnHost refuses what cannot be done in a mount namespace that is not the
// container's own.
func checkOnHost(s *specs.Spec, noPivot bool, setup namespaces.Setup) error {
	const want = "must have a mount namespace: "
	switch {
	case s.Linux.RootfsPropagation != "":
		return &spec.Error{Path: "linux.namespaces", Want: want + "linux.rootfsPropagation applies to its root"}
	case setup.Has(unix.CLONE_NEWUSER):
		return &spec.Error{Path: "linux.namespaces", Want: want + "the new user namespace may not mount in the host's"}
	case noPivot:
		return &spec.Error{Path: "linux.namespaces", Want: want + "--no-pivot moves its root"}
	}
	return nil
}

// recordHostMount records which mount is the container's, now that it exists: other
// containers may use the same root.path.
func (c *Container) recordHostMount() error {
	if c.OnHost == nil {
		return nil
	}
	id, fd, err := record.MountID(c.Rootfs)
	if err != nil {
		return fmt.Errorf("config.json: root.path: %w", err)
	}
	c.OnHost.ID = id
	return errors.Join(c.Record.Write(c.options.directory()), unix.Close(fd))
}
