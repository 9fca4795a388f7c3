package commit

import (
	"errors"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/regularfile"
)

// removeMountPoints removes the empty files and directories that the runtime created in a copy of the
// upper directory to mount something on them. The program could not write to them.
func removeMountPoints(dir string, mounts []specs.Mount) (all error) {
	root, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: dir, Err: err}
	}
	defer func() { _ = unix.Close(root) }()
	var targets []string
	for _, m := range mounts {
		targets = append(targets, strings.TrimPrefix(path.Clean(m.Destination), "/"))
	}
	slices.Sort(targets)
	slices.Reverse(targets) // the content of a directory before the directory
	for _, target := range targets {
		all = errors.Join(all, removeEmpty(root, target))
	}
	return all
}

// removeEmpty removes an empty file or directory. Links on the way belong to the container: they are
// not followed.
func removeEmpty(root int, name string) error {
	const below = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS
	parent, err := regularfile.OpenPathIn(root, path.Dir(name), unix.O_DIRECTORY, below)
	if err != nil {
		return ignoreMissing(name, err)
	}
	defer func() { _ = unix.Close(parent) }()
	var st unix.Stat_t
	if err := unix.Fstatat(parent, path.Base(name), &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return ignoreMissing(name, err)
	}
	switch kind := st.Mode & unix.S_IFMT; {
	case kind == unix.S_IFDIR:
		err = unix.Unlinkat(parent, path.Base(name), unix.AT_REMOVEDIR)
	case kind == unix.S_IFREG && st.Size == 0:
		err = unix.Unlinkat(parent, path.Base(name), 0)
	}
	return ignoreMissing(name, err)
}

// ignoreMissing returns nil if there is nothing to remove.
func ignoreMissing(name string, err error) error {
	for _, fine := range []unix.Errno{unix.ENOENT, unix.ENOTDIR, unix.ELOOP, unix.ENOTEMPTY} {
		if errors.Is(err, fine) {
			return nil
		}
	}
	if err != nil {
		return &os.PathError{Op: "remove", Path: name, Err: err}
	}
	return nil
}
