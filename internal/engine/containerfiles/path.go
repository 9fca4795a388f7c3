package containerfiles

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/linkwalk"
	"github.com/minirun/minirun/internal/regularfile"
)

// inContainer is how paths of a container are resolved: no link leads out of its root.
const inContainer = unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS

// A tree is what one side's paths are in: a container, or the host for the user's own paths.
type tree struct {
	container *Root // nil for the host
}

// open opens a path, which is absolute, with O_PATH.
func (t tree) open(name string, flags int, resolve uint64) (int, error) {
	root := unix.AT_FDCWD
	if t.container != nil {
		root, resolve = int(t.container.dir.Fd()), resolve|inContainer
	}
	fd, err := regularfile.OpenPathIn(root, name, flags, resolve)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: t.describe(name), Err: err}
	}
	return fd, nil
}

// describe returns a path as the user writes it.
func (t tree) describe(name string) string {
	if t.container == nil {
		return name
	}
	return t.container.name + ":" + name
}

// A source is the file that is copied.
type source struct {
	fd      int // with O_PATH
	isDir   bool
	content bool   // the path ends with /. : only what is in the directory
	base    string // its name, unless the destination has another one; "" for the root
}

// openSource opens the file that is copied. A link is copied itself, except with follow, or if the
// path ends with a slash.
func (t tree) openSource(name string, follow bool) (*source, error) {
	absolute, err := t.absolute(name)
	if err != nil {
		return nil, err
	}
	s := &source{content: path.Base(name) == "." && name != "", base: path.Base(path.Clean(absolute))}
	if s.base == "/" {
		s.base = ""
	}
	flags := unix.O_NOFOLLOW
	if follow || s.content || strings.HasSuffix(name, "/") {
		flags = 0
	}
	if s.content || strings.HasSuffix(name, "/") {
		flags |= unix.O_DIRECTORY
	}
	if s.fd, err = t.open(absolute, flags, 0); err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err = unix.Fstat(s.fd, &st); err == nil && t.container != nil {
		err = t.container.checkVisible(pathOf(s.fd))
	}
	if err != nil {
		return nil, errors.Join(err, unix.Close(s.fd))
	}
	s.isDir = st.Mode&unix.S_IFMT == unix.S_IFDIR
	return s, nil
}

// absolute returns a path as an absolute one, without resolving anything in it.
func (t tree) absolute(name string) (string, error) {
	if strings.HasPrefix(name, "/") {
		return name, nil
	}
	if t.container != nil {
		return "/" + name, nil
	}
	if name == "" {
		return "", errors.New("the path is empty")
	}
	dir, err := os.Getwd()
	return dir + "/" + name, err
}

// pathOf returns the path of an open file, as the kernel shows it: below the root of its mounts.
func pathOf(fd int) string {
	text, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
	if err != nil {
		return ""
	}
	return text
}

// A destination is the place that files are copied to.
type destination struct {
	dir    *os.File // the directory itself, if isDir, or the one that the file is in or will be in
	base   string   // the file's name there; "" if isDir
	exists bool
	isDir  bool
}

// openDestination opens the place that files are copied to. Links are followed.
func (t tree) openDestination(name string) (*destination, error) {
	absolute, err := t.absolute(name)
	if err != nil {
		return nil, err
	}
	fd, err := t.open(absolute, unix.O_DIRECTORY, 0)
	if err == nil {
		d := &destination{dir: os.NewFile(uintptr(fd), t.describe(name)), exists: true, isDir: true}
		return d, t.check(d)
	}
	if !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENOTDIR) {
		return nil, err
	}
	if errors.Is(err, unix.ENOTDIR) && strings.HasSuffix(name, "/") {
		return nil, err
	}
	// Not a directory, or nothing: find the directory that the name is in, without its links. If one of
	// them is exchanged meanwhile, the directory cannot be opened.
	place, err := linkwalk.Follow(absolute, t.lookUp)
	if err != nil {
		return nil, &os.PathError{Op: "look up", Path: t.describe(name), Err: err}
	}
	parent, base := path.Split(place.Path)
	parent = path.Clean(parent)
	if place.Missing() && parent != place.Existing {
		err := fmt.Errorf("the directory %s does not exist", parent)
		return nil, &os.PathError{Op: "copy to", Path: t.describe(name), Err: err}
	}
	fd, err = t.open(parent, unix.O_DIRECTORY, unix.RESOLVE_NO_SYMLINKS)
	if err != nil {
		return nil, err
	}
	d := &destination{dir: os.NewFile(uintptr(fd), t.describe(parent)), base: base, exists: !place.Missing()}
	return d, t.check(d)
}

// check checks whether files can be created in the directory of a destination, and closes it if not.
func (t tree) check(d *destination) error {
	if t.container == nil {
		return nil
	}
	if err := t.container.checkWritable(path.Join(pathOf(int(d.dir.Fd())), d.base)); err != nil {
		return errors.Join(err, d.dir.Close())
	}
	return nil
}

// lookUp implements linkwalk.LookupFunc.
func (t tree) lookUp(name string) (linkwalk.Kind, string, error) {
	fd, err := t.open(name, unix.O_NOFOLLOW, unix.RESOLVE_NO_SYMLINKS)
	if errors.Is(err, unix.ENOENT) {
		return linkwalk.Missing, "", nil
	}
	if err != nil {
		return linkwalk.Missing, "", err
	}
	defer func() { _ = unix.Close(fd) }()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return linkwalk.Missing, "", err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return linkwalk.Directory, "", nil
	case unix.S_IFLNK:
		text := make([]byte, unix.PathMax)
		n, err := unix.Readlinkat(fd, "", text)
		return linkwalk.Link, string(text[:max(n, 0)]), err
	}
	return linkwalk.Other, "", nil
}
