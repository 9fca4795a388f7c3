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

// parents keeps descriptors of the last entry's directory and of the directories above it. An
// archive lists a directory's files one after another, so most entries find their parent here.
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

// forget closes the descriptors of a directory that is about to be removed, and of those below it.
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

// common returns the number of leading components of a directory's path that are open.
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

// parentOf opens the directory of an entry. It creates the directory and its parents if they do not
// exist. If the path leads through a symbolic link, the entry's path is replaced by the resolved
// one. The descriptor is valid until the next call.
func (a *applier) parentOf(e *entry) (int, error) {
	fd, err := a.descend(e.dir)
	if !errors.Is(err, errLink) {
		return fd, err
	}
	if e.dir, err = a.resolve(e.dir); err != nil {
		return -1, err
	}
	e.path = path.Join(e.dir, e.base)
	return a.descend(e.dir)
}

// errLink reports a path that leads through a symbolic link.
var errLink = errors.New("is a symbolic link")

// maxDepth limits how many directories are kept open. Paths with more components are refused.
const maxDepth = 512

// descend opens a directory whose path does not lead through a symbolic link.
func (a *applier) descend(dir string) (int, error) {
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
		fd, err := a.openDir(p.last(), parts[i])
		if hidden := a.rules.marks && errors.Is(err, errWhiteout); hidden || errors.Is(err, unix.ENOENT) {
			if err := a.createImplied(p.last(), at, hidden); err != nil {
				return -1, err
			}
			fd, err = a.openDir(p.last(), parts[i])
		}
		if err != nil {
			return -1, fmt.Errorf("its directory %s: %w", at, err)
		}
		p.names, p.fds = append(p.names, parts[i]), append(p.fds, fd)
	}
	return p.last(), nil
}

var errWhiteout = errors.New("a whiteout")

// withoutLinks is how paths are resolved, except in a directory that is in use on one file system.
const withoutLinks = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS

// openDir opens a directory, given as a single path component.
func (a *applier) openDir(dir int, name string) (int, error) {
	fd, err := a.openBelow(dir, name, unix.O_DIRECTORY)
	if !errors.Is(err, unix.ELOOP) && !errors.Is(err, unix.ENOTDIR) {
		return fd, err
	}
	var st unix.Stat_t
	switch err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW); {
	case err != nil:
		return -1, err
	case image.IsWhiteout(&st):
		return -1, errWhiteout
	case st.Mode&unix.S_IFMT == unix.S_IFLNK:
		return -1, errLink
	}
	return -1, fmt.Errorf("%w: %w", ErrRefused, unix.ENOTDIR)
}

// openBelow opens a path with O_PATH. No component may be a symbolic link, except the last one,
// which is opened itself.
func (a *applier) openBelow(dir int, name string, flags int) (int, error) {
	resolve := uint64(withoutLinks | unix.RESOLVE_NO_XDEV)
	if a.rules.inUse {
		resolve = withoutLinks
	}
	return regularfile.OpenPathIn(dir, name, flags|unix.O_NOFOLLOW, resolve)
}

// createImplied creates a directory that the archive does not list. In a layer it only exists to hold
// another file, so it takes the owner, mode, times and attributes of the same directory in the
// lower layers, which it would otherwise hide.
func (a *applier) createImplied(dir int, at string, hidden bool) error {
	base := path.Base(at)
	var from string
	var st *unix.Stat_t
	if !hidden {
		if from, st = a.visibleLowerFile(at); st != nil && st.Mode&unix.S_IFMT == unix.S_IFLNK {
			return errLink
		}
	} else if err := unix.Unlinkat(dir, base, 0); err != nil {
		return &os.PathError{Op: "remove the whiteout", Path: at, Err: err}
	}
	if err := unix.Mkdirat(dir, base, 0o755); err != nil {
		return &os.PathError{Op: "mkdir", Path: at, Err: err}
	}
	d := madeDir{}
	var err error
	if st != nil && st.Mode&unix.S_IFMT == unix.S_IFDIR {
		d.modified, d.known = st.Mtim, true
		err = copyMetadata(from, st, dir, base)
	} else {
		err = a.describeImplied(dir, base, &d)
	}
	if hidden && err == nil {
		err = a.hideBelow(dir, at)
	}
	if err != nil {
		return fmt.Errorf("directory %s: %w", at, err)
	}
	a.made[at] = d
	return nil
}

// describeImplied sets the time that the caller wants on a directory that exists nowhere below.
// Otherwise the directory stays as mkdir(2) made it, possibly with the group and the set-group-ID
// bit of its parent, but independent of the umask.
func (a *applier) describeImplied(dir int, base string, d *madeDir) error {
	if t := a.rules.time; t != nil {
		d.modified, d.known = timespec(*t), true
	}
	var st unix.Stat_t
	if err := unix.Fstatat(dir, base, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	if st.Mode&0o755 == 0o755 {
		return nil
	}
	fd, err := unix.Openat(dir, base, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	return errors.Join(unix.Fchmodat(fd, ".", st.Mode&0o7777|0o755, 0), unix.Close(fd))
}

// lowerFile returns what the lower layers have at a path, or nil.
func (a *applier) lowerFile(at string) (string, *unix.Stat_t) {
	return image.Stack(a.o.Parents).Lookup(at)
}

// visibleLowerFile returns what is visible of the lower layers at a path. The caller has checked that this
// layer has neither another file there nor a whiteout above it.
func (a *applier) visibleLowerFile(at string) (string, *unix.Stat_t) {
	if len(a.o.Parents) == 0 || a.isHidden(at) {
		return "", nil
	}
	return a.lowerFile(at)
}

// isHidden reports whether a directory above a path is opaque.
func (a *applier) isHidden(at string) bool {
	if len(a.opaque) == 0 {
		return false
	}
	for dir := path.Dir(at); ; dir = path.Dir(dir) {
		if a.opaque[dir] {
			return true
		}
		if dir == "." {
			return false
		}
	}
}
