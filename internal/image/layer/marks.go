package layer

import (
	"context"
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// This file owns overlay's marks, whiteouts and opaque directories, and the layer's
// own root.

// hide makes a whiteout, or marks a directory opaque, where there is something
// below to hide. It hides nothing of this layer, in whatever order the entries
// come.
func (a *applier) hide(e entry) error {
	if e.kind == opaque {
		if e.dir == "." {
			a.alone = true // overlay does not look for the mark on a layer's root: see finish
			return nil
		}
		if _, st := a.below(e.dir); st == nil {
			return nil
		}
		dir, err := a.parent(e.dir)
		if err != nil {
			return err
		}
		return a.setOpaque(below(dir, "."))
	}
	if _, st := a.below(e.path); st == nil {
		return nil
	}
	dir, err := a.parent(e.dir)
	if err != nil {
		return err
	}
	return a.hideOne(dir, e.base)
}

func (a *applier) hideOne(dir int, base string) error {
	err := unix.Mknodat(dir, base, unix.S_IFCHR, 0)
	if !errors.Is(err, unix.EEXIST) {
		if err != nil {
			return &os.PathError{Op: "make the whiteout", Path: base, Err: err}
		}
		return nil
	}
	var st unix.Stat_t
	if err := unix.Fstatat(dir, base, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return a.setOpaque(below(dir, base))
	}
	return nil // a file hides what is below it
}

func (a *applier) setOpaque(dir string) error {
	name := "trusted.overlay.opaque"
	if a.o.UserXattrs {
		name = "user.overlay.opaque"
	}
	if err := unix.Lsetxattr(dir, name, []byte("y"), 0); err != nil {
		return &os.PathError{Op: "set " + name, Path: dir, Err: err}
	}
	return nil
}

// rootDirectory describes the layer's own directory as the one below, for the root
// that a container sees is that of the topmost layer.
func (a *applier) rootDirectory() error {
	if len(a.o.Parents) == 0 {
		return unix.Fchmodat(a.root, ".", 0o755, 0)
	}
	from := a.o.Parents[len(a.o.Parents)-1]
	var st unix.Stat_t
	if err := unix.Lstat(from, &st); err != nil {
		return &os.PathError{Op: "stat", Path: from, Err: err}
	}
	a.made["."] = madeDir{st.Mtim, true}
	return copyMetadata(from, &st, a.root, ".")
}

func (a *applier) describeRoot(e entry) error {
	a.made["."] = madeDir{timespec(e.modified), true}
	e.base = "."
	return describe(a.root, e)
}

// finish does what waits for the last entry.
func (a *applier) finish(ctx context.Context) error {
	if a.alone {
		if err := a.hideAll(); err != nil {
			return err
		}
	}
	for name, d := range a.made {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !d.known {
			continue
		}
		times := []unix.Timespec{d.modified, d.modified}
		if err := unix.UtimesNanoAt(a.root, name, times, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return &os.PathError{Op: "set the times", Path: name, Err: err}
		}
	}
	return nil
}

// hideAll hides what the layers below have in their root.
func (a *applier) hideAll() error {
	for _, parent := range a.o.Parents {
		list, err := os.ReadDir(parent)
		if err != nil {
			return err
		}
		for _, f := range list {
			if _, st := a.below(f.Name()); st == nil {
				continue
			}
			if err := a.hideOne(a.root, f.Name()); err != nil {
				return err
			}
		}
	}
	return nil
}
