package container

import (
	"errors"
	"fmt"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/rootfs"
	"github.com/minirun/minirun/internal/spec"
)

// sourcesInput looks at the sources of bind mounts: a directory is mounted on a
// directory, anything else on a file.
//
// What is missing, or in the root, is left to the mount: an earlier entry of
// mounts may create the source, or cover it. With a user namespace, what exists
// is opened before anything is mounted, while it can be reached.
func sourcesInput(in *rootfs.Input, s *specs.Spec) error {
	kinds := make([]rootfs.Kind, len(s.Mounts))
	early := namespaces.Decide(s).Has(unix.CLONE_NEWUSER) && !in.Rootless
	for i := range s.Mounts {
		m := &s.Mounts[i]
		if !rootfs.IsBind(m) {
			continue
		}
		path := rootfs.BindSource(in.Bundle, m)
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, os.ErrNotExist), !early && below(path, in.Root):
			kinds[i] = rootfs.Undecided
		case err != nil:
			return sourceError(i, m, err)
		case info.IsDir():
			kinds[i] = rootfs.Directory
		}
	}
	in.SourceKind = func(i int) rootfs.Kind { return kinds[i] }
	return nil
}

func sourceError(i int, m *specs.Mount, err error) error {
	return &spec.Error{Path: fmt.Sprintf("mounts[%d].source", i), Want: "must exist on the host", Got: fmt.Sprintf("%q", m.Source), Err: err}
}
