package layer

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/regularfile"
)

// parents keeps descriptors of the directory of the last entry and of those above
// it: an archive lists a directory's files one after another, so most entries find
// their parent here.
type parents struct {
	root  int
	names []string // components below the root
	fds   []int
}

func (p *parents) close() { p.cut(0) }

func (p *parents) cut(n int) {
	for _, fd := range p.fds[n:] {
		_ = unix.Close(fd)
	}
	p.names, p.fds = p.names[:n], p.fds[:n]
}

// forget drops descriptors of a directory that is about to be removed, and below.
func (p *parents) forget(dir string) {
	parts := strings.Split(dir, "/")
	if len(parts) > len(p.names) {
		return
	}
	for i, part := range parts {
		if p.names[i] != part {
			return
		}
	}
	p.cut(len(parts) - 1)
}

// common is how many components of a directory's path are open.
func (p *parents) common(parts []string) int {
	n := 0
	for n < len(parts) && n < len(p.names) && p.names[n] == parts[n] {
		n++
	}
	return n
}

func (p *parents) last() int {
	if len(p.fds) == 0 {
		return p.root
	}
	return p.fds[len(p.fds)-1]
}

// maxDepth bounds how many directories are kept open; a path of more components is
// refused.
const maxDepth = 512

// parent opens a directory of the layer, and makes it, and those above it, where
// the archive has not listed them.
func (a *applier) parent(dir string) (int, error) {
	if dir == "." {
		return a.root, nil
	}
	parts := strings.Split(dir, "/")
	if len(parts) > maxDepth {
		return -1, fmt.Errorf("%w: %d directories deep", ErrRefused, len(parts))
	}
	p := &a.parents
	p.cut(p.common(parts))
	for i := len(p.names); i < len(parts); i++ {
		at := strings.Join(parts[:i+1], "/")
		fd, err := openDir(p.last(), parts[i])
		if errors.Is(err, unix.ENOENT) || errors.Is(err, errWhiteout) {
			if err := a.implied(p.last(), at, errors.Is(err, errWhiteout)); err != nil {
				return -1, err
			}
			fd, err = openDir(p.last(), parts[i])
		}
		if err != nil {
			return -1, fmt.Errorf("its directory %s: %w", at, err)
		}
		p.names, p.fds = append(p.names, parts[i]), append(p.fds, fd)
	}
	return p.last(), nil
}

var errWhiteout = errors.New("a whiteout")

// inLayer is how paths of a layer are resolved: without any link, on one file system.
const inLayer = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV

// openDir opens a directory by its one component.
func openDir(dir int, name string) (int, error) {
	fd, err := regularfile.PathIn(dir, name, unix.O_DIRECTORY|unix.O_NOFOLLOW, inLayer)
	switch {
	case errors.Is(err, unix.ELOOP):
		return -1, fmt.Errorf("%w: is a symbolic link, which a layer's paths must not lead through", ErrRefused)
	case errors.Is(err, unix.ENOTDIR):
		var st unix.Stat_t
		if unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil {
			switch {
			case image.IsWhiteout(&st):
				return -1, errWhiteout
			case st.Mode&unix.S_IFMT == unix.S_IFLNK:
				return -1, fmt.Errorf("%w: is a symbolic link, which a layer's paths must not lead through", ErrRefused)
			}
		}
		return -1, fmt.Errorf("%w: is no directory", ErrRefused)
	}
	return fd, err
}

// implied makes a directory that the archive has not listed. It is only there to
// hold another, so it gets the owner, mode, times and attributes of the directory
// below it, which overlay would not show otherwise.
func (a *applier) implied(dir int, at string, hidden bool) error {
	base := path.Base(at)
	if hidden {
		if err := unix.Unlinkat(dir, base, 0); err != nil {
			return &os.PathError{Op: "remove the whiteout", Path: at, Err: err}
		}
	}
	if err := unix.Mkdirat(dir, base, 0o755); err != nil {
		return &os.PathError{Op: "mkdir", Path: at, Err: err}
	}
	var d madeDir
	if hidden {
		if err := a.setOpaque(below(dir, base)); err != nil {
			return err
		}
	} else if from, st := a.below(at); st != nil && st.Mode&unix.S_IFMT == unix.S_IFDIR {
		if err := copyMetadata(from, st, dir, base); err != nil {
			return fmt.Errorf("directory %s: %w", at, err)
		}
		d.modified, d.known = st.Mtim, true
	}
	a.made[at] = d
	return nil
}

// below finds what is seen at a path in the layers below; nil if there is nothing.
func (a *applier) below(at string) (string, *unix.Stat_t) { return image.Stack(a.o.Parents).At(at) }
