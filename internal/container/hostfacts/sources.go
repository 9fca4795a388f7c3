package hostfacts

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/rootfs"
	"github.com/minirun/minirun/internal/spec"
)

// sourcesInput examines the sources of bind mounts: a directory is mounted on a
// directory, anything else on a file.
//
// A source that is missing, or in the root, is left to the mount: an earlier entry of
// mounts may create or cover it. With a user namespace, a source that exists is opened
// before anything is mounted, while it can be reached.
func sourcesInput(in *rootfs.Input, s *specs.Spec) error {
	kinds := make([]rootfs.Kind, len(s.Mounts))
	early := namespaces.Decide(s).Has(unix.CLONE_NEWUSER) && !in.Rootless
	for i := range s.Mounts {
		m := &s.Mounts[i]
		if !rootfs.IsBind(m) {
			continue
		}
		path := rootfs.BindSource(in.Bundle, m)
		copied, err := CopiedLink(in.Bundle, m)
		if err != nil {
			return sourceError(i, m, err)
		}
		if copied != "" {
			if filepath.Join("/", m.Destination) == "/dev" {
				return &spec.Error{Path: fmt.Sprintf("mounts[%d].destination", i),
					Want: "must not be /dev, where devices are created, if copy-symlink copies a symbolic link",
					Got:  fmt.Sprintf("%q", m.Destination)}
			}
			if in.Links == nil {
				in.Links = map[int]string{}
			}
			in.Links[i] = copied
			continue
		}
		info, err := statSource(path, m)
		switch {
		case errors.Is(err, os.ErrNotExist), !early && IsBelow(path, in.Root):
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

func statSource(path string, m *specs.Mount) (os.FileInfo, error) {
	if o, _ := spec.ParseMountOptions(m.Options); o.SourceNoFollow {
		return os.Lstat(path)
	}
	return os.Stat(path)
}

// CopiedLink returns the text of the link that copy-symlink creates for the bind mount
// m; "" if it creates none.
func CopiedLink(bundle string, m *specs.Mount) (string, error) {
	if o, _ := spec.ParseMountOptions(m.Options); !o.CopySymlink {
		return "", nil
	}
	text, err := os.Readlink(rootfs.BindSource(bundle, m))
	if errors.Is(err, unix.EINVAL) || errors.Is(err, os.ErrNotExist) {
		return "", nil // not a link; a missing file is detected later
	}
	return text, err
}

func sourceError(i int, m *specs.Mount, err error) error {
	return &spec.Error{Path: fmt.Sprintf("mounts[%d].source", i), Want: "must exist on the host",
		Got: fmt.Sprintf("%q", m.Source), Err: err}
}
