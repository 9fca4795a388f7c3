package layer

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/image"
)

// This file handles overlay's marks (whiteouts and opaque directories) and the layer's own root.

// hide creates a whiteout, or marks a directory opaque, if there is something below to hide. It
// hides nothing of this layer, regardless of the order of the entries.
func (a *applier) hide(e entry) error {
	dir, err := a.resolve(e.dir)
	if errors.Is(err, unix.ENOTDIR) {
		return nil // nothing exists below a file
	}
	if err != nil {
		return err
	}
	if e.kind == opaque && dir == "." {
		return a.hideContent(procPath(a.root, "."), ".")
	}
	hidden := dir
	if e.kind == whiteout {
		hidden = path.Join(dir, e.base)
	}
	_, st := a.visibleLowerFile(hidden)
	if st == nil || e.kind == opaque && st.Mode&unix.S_IFMT != unix.S_IFDIR || a.isHiddenByFile(dir) {
		return nil
	}
	fd, err := a.descend(dir)
	if err != nil {
		return err
	}
	if e.kind == opaque {
		return a.hideContent(procPath(fd, "."), dir)
	}
	return a.hideOne(fd, hidden)
}

// isHiddenByFile reports whether this layer has a whiteout, or another file that is not a
// directory, at a path or above it.
func (a *applier) isHiddenByFile(at string) bool {
	fd, err := a.openBelow(a.root, at, unix.O_DIRECTORY)
	if err == nil {
		_ = unix.Close(fd)
	}
	return errors.Is(err, unix.ENOTDIR)
}

// hideOne hides what the lower layers have at a path. A directory that contains files of this layer
// stays, but shows no others.
func (a *applier) hideOne(dir int, at string) error {
	base := path.Base(at)
	var st unix.Stat_t
	err := unix.Fstatat(dir, base, &st, unix.AT_SYMLINK_NOFOLLOW)
	isDir := st.Mode&unix.S_IFMT == unix.S_IFDIR
	switch {
	case err != nil: // nothing is there
	case !isDir && !a.copied[at]:
		return nil // a file already hides what is below it
	default:
		if isDir {
			if own, err := a.dropMarks(procPath(dir, base), at); own || err != nil {
				return errors.Join(err, a.setOpaque(dir, at))
			}
		}
		if err := a.remove(dir, at); err != nil {
			return err
		}
	}
	if err := unix.Mknodat(dir, base, unix.S_IFCHR, 0); err != nil {
		return &os.PathError{Op: "create the whiteout", Path: at, Err: err}
	}
	return nil
}

// hideContent hides the content of a directory in the lower layers.
func (a *applier) hideContent(dir, at string) error {
	if a.opaque[at] {
		return nil
	}
	if _, err := a.dropMarks(dir, at); err != nil {
		return err
	}
	a.opaque[at] = true
	if at == "." { // overlay ignores the mark on a layer's root: see finish
		return nil
	}
	return setOpaqueXattr(dir, a.o.UserXattrs)
}

// dropMarks removes the marks of this layer below a directory that is now hidden completely, since
// they are no longer needed. It reports whether this layer has files in the directory, or an entry
// for it.
func (a *applier) dropMarks(dir, at string) (own bool, err error) {
	own = a.made[at].listed
	if a.opaque[at] && own {
		return own, nil // already done
	}
	list, err := os.ReadDir(dir)
	if err != nil {
		return own, err
	}
	for _, f := range list {
		file, name := dir+"/"+f.Name(), path.Join(at, f.Name())
		var st unix.Stat_t
		if err := unix.Lstat(file, &st); err != nil {
			return own, &os.PathError{Op: "stat", Path: name, Err: err}
		}
		switch {
		case f.IsDir():
			ownBelow, err := a.dropMarks(file, name)
			if err != nil {
				return own, err
			}
			if own = own || ownBelow; ownBelow {
				continue
			}
		case !image.IsWhiteout(&st) && !a.copied[name]:
			own = true
			continue
		}
		a.parents.forget(name)
		a.forgetDirectories(name)
		if err := os.Remove(file); err != nil {
			return own, err
		}
	}
	return own, nil
}

// hideBelow marks a directory that this archive created in place of another file as opaque if the
// lower layers have a directory there that would otherwise show through.
func (a *applier) hideBelow(parent int, at string) error {
	if _, st := a.lowerFile(at); st == nil {
		return nil
	}
	return a.setOpaque(parent, at)
}

// setOpaque marks a directory opaque: nothing of the lower layers is visible in it.
func (a *applier) setOpaque(parent int, at string) error {
	a.opaque[at] = true
	return setOpaqueXattr(procPath(parent, path.Base(at)), a.o.UserXattrs)
}

func setOpaqueXattr(dir string, user bool) error {
	name := "trusted.overlay.opaque"
	if user {
		name = "user.overlay.opaque"
	}
	if err := unix.Lsetxattr(dir, name, []byte("y"), 0); err != nil {
		return &os.PathError{Op: "set " + name, Path: dir, Err: err}
	}
	return nil
}

// rootDirectory copies the attributes of the lower layer's root, because a container sees the root
// of the topmost layer.
func (a *applier) rootDirectory() error {
	if len(a.o.Parents) == 0 {
		return unix.Fchmodat(a.root, ".", 0o755, 0)
	}
	from := a.o.Parents[len(a.o.Parents)-1]
	var st unix.Stat_t
	if err := unix.Lstat(from, &st); err != nil {
		return &os.PathError{Op: "stat", Path: from, Err: err}
	}
	a.made["."] = madeDir{modified: st.Mtim, known: true}
	return copyMetadata(from, &st, a.root, ".")
}

func (a *applier) describeRoot(e entry) error {
	a.made["."] = madeDir{modified: timespec(e.modified), known: true}
	e.base = "."
	if err := a.clearXattrs(a.root, e.base); err != nil {
		return err
	}
	return setMetadata(a.root, e)
}

// finish does the work that has to wait until the last entry.
func (a *applier) finish(ctx context.Context) error {
	if a.rules.marks && a.opaque["."] {
		if err := a.hideAll(); err != nil {
			return err
		}
	}
	var deferred []string
	for name, d := range a.made {
		if err := ctx.Err(); err != nil {
			return err
		}
		if d.mode != nil {
			deferred = append(deferred, name)
			continue
		}
		if err := a.setDirTimes(name, d); err != nil {
			return err
		}
	}
	// Deepest first, because the mode may lock even the owner out of the directory.
	slices.SortFunc(deferred, func(x, y string) int { return cmp.Compare(y, x) })
	for _, name := range deferred {
		d := a.made[name]
		if err := a.setDirMode(name, *d.mode); err != nil {
			return &os.PathError{Op: "chmod", Path: name, Err: err}
		}
		if err := a.setDirTimes(name, d); err != nil {
			return err
		}
	}
	return nil
}

func (a *applier) setDirTimes(name string, d madeDir) error {
	if !d.known {
		return nil
	}
	fd, err := a.openBelow(a.root, name, unix.O_DIRECTORY)
	if err == nil {
		times := []unix.Timespec{d.modified, d.modified}
		err = errors.Join(unix.UtimesNanoAt(fd, ".", times, 0), unix.Close(fd))
	}
	if err != nil {
		return &os.PathError{Op: "set the times", Path: name, Err: err}
	}
	return nil
}

func (a *applier) setDirMode(name string, mode uint32) error {
	fd, err := a.openBelow(a.root, name, unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	return errors.Join(unix.Fchmodat(fd, ".", mode, 0), unix.Close(fd))
}

// hideAll hides everything that the lower layers have in their root.
func (a *applier) hideAll() error {
	for _, parent := range a.o.Parents {
		list, err := os.ReadDir(parent)
		if err != nil {
			return err
		}
		for _, f := range list {
			if _, st := a.lowerFile(f.Name()); st == nil {
				continue
			}
			if err := a.hideOne(a.root, f.Name()); err != nil {
				return err
			}
		}
	}
	return nil
}
