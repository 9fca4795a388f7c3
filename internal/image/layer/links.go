package layer

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/regularfile"
)

// This file handles what an entry takes from elsewhere: hard links, including those to files in
// lower layers, and the attributes of directories there.

// hardlink creates another name for a file in this layer or in a lower one.
func (a *applier) hardlink(dir int, e entry) error {
	target, err := a.linkTarget(e)
	if err == nil {
		err = a.link(dir, e, target)
	}
	if errors.Is(err, unix.ENOENT) && len(a.o.Parents) > 0 {
		if err = a.copyUp(target); err == nil {
			if dir, err = a.descend(e.dir); err == nil { // copyUp opened another directory
				err = a.link(dir, e, target)
			}
		}
	}
	if err != nil {
		return fmt.Errorf("hard link to %s: %w", e.link, err)
	}
	return nil
}

// linkTarget returns the path of a hard link's target, without symbolic links before its last
// component. If the target is a symbolic link, the hard link refers to the symbolic link itself.
func (a *applier) linkTarget(e entry) (string, error) {
	parent := path.Dir(e.link)
	if parent != e.dir { // which is open
		var err error
		if parent, err = a.resolveWithout(parent, e.path); err != nil {
			return "", err
		}
	}
	target := path.Join(parent, path.Base(e.link))
	if target == e.path {
		return "", fmt.Errorf("%w: a hard link to itself", ErrRefused)
	}
	return target, nil
}

func (a *applier) link(dir int, e entry, target string) error {
	from := dir
	if parent := path.Dir(target); parent != e.dir {
		fd, err := a.openBelow(a.root, parent, unix.O_DIRECTORY)
		if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENOTDIR) {
			return fmt.Errorf("%w: its directory: %w", ErrRefused, err)
		}
		if err != nil {
			return err
		}
		defer func() { _ = unix.Close(fd) }()
		from = fd
	}
	var st unix.Stat_t
	if err := unix.Fstatat(from, path.Base(target), &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	if image.IsWhiteout(&st) || st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return fmt.Errorf("%w: the target is deleted, or a directory", ErrRefused)
	}
	return a.create(dir, e, func() error { return unix.Linkat(from, path.Base(target), dir, e.base, 0) })
}

// copyUp copies a file from the lower layers into this one, as overlay would.
func (a *applier) copyUp(target string) error {
	from, st := a.visibleLowerFile(target)
	if st == nil {
		return unix.ENOENT
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return fmt.Errorf("%w: the target is a directory", ErrRefused)
	}
	e := entry{
		path: target, dir: path.Dir(target), base: path.Base(target), mode: st.Mode, size: st.Size, uid: int(st.Uid),
		gid:    int(st.Gid),
		device: st.Rdev, modified: time.Unix(st.Mtim.Unix()), accessed: time.Unix(st.Atim.Unix()),
	}
	var err error
	if e.xattrs, err = xattrsOf(from); err != nil {
		return err
	}
	dir, err := a.descend(e.dir)
	if err != nil {
		return err
	}
	a.copied[target] = true
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		f, err := regularfile.OpenAt(unix.AT_FDCWD, from)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		return a.file(dir, e, f)
	case unix.S_IFLNK:
		e.kind = symlink
		if e.link, err = os.Readlink(from); err != nil {
			return err
		}
		if err := unix.Symlinkat(e.link, dir, e.base); err != nil {
			return err
		}
	default:
		e.kind = special
		if err := unix.Mknodat(dir, e.base, e.mode, int(e.device)); err != nil {
			return err
		}
	}
	return setMetadata(dir, e)
}

// xattrsOf reads the extended attributes that an entry may have.
func xattrsOf(file string) (map[string]string, error) {
	out := map[string]string{}
	list := make([]byte, 64<<10)
	n, err := unix.Llistxattr(file, list)
	if errors.Is(err, unix.ENOTSUP) {
		return out, nil
	}
	if err != nil {
		return nil, &os.PathError{Op: "list the extended attributes", Path: file, Err: err}
	}
	value := make([]byte, 64<<10)
	for name := range strings.SplitSeq(strings.TrimRight(string(list[:n]), "\x00"), "\x00") {
		if name == "" || isHostXattr(name) || isOverlayXattr(name) {
			continue
		}
		n, err := unix.Lgetxattr(file, name, value)
		if err != nil {
			return nil, &os.PathError{Op: "read the extended attribute " + name, Path: file, Err: err}
		}
		out[name] = string(value[:n])
	}
	return out, nil
}

// copyMetadata gives a directory the owner, attributes and mode of another one.
func copyMetadata(from string, st *unix.Stat_t, dir int, base string) error {
	xattrs, err := xattrsOf(from)
	if err != nil {
		return err
	}
	return setMetadata(dir, entry{kind: directory, base: base, mode: st.Mode, uid: int(st.Uid), gid: int(st.Gid),
		xattrs: xattrs})
}
