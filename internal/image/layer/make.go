package layer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A madeDir is a directory of this layer.
type madeDir struct {
	modified unix.Timespec
	known    bool // modified is; otherwise the directory keeps the time it was made at
}

// create makes what replaces whatever the archive has made there before.
func (a *applier) create(dir int, e entry, how func() error) error {
	err := how()
	if errors.Is(err, unix.EEXIST) {
		if err := a.remove(dir, e.path); err != nil {
			return err
		}
		err = how()
	}
	if err != nil {
		return &os.PathError{Op: "create", Path: e.path, Err: err}
	}
	return nil
}

// remove takes away what this layer has at a path, with all that is below it.
func (a *applier) remove(dir int, at string) error {
	a.parents.forget(at)
	if _, isDir := a.made[at]; isDir {
		for name := range a.made {
			if name == at || strings.HasPrefix(name, at+"/") {
				delete(a.made, name)
			}
		}
	}
	// os.RemoveAll follows no link either; below a descriptor it cannot leave the layer.
	if err := os.RemoveAll(below(dir, path.Base(at))); err != nil {
		return fmt.Errorf("remove what an earlier entry has made: %w", err)
	}
	return nil
}

// below names a file in a directory that is open, for calls that take no
// descriptor.
func below(dir int, base string) string {
	return "/proc/self/fd/" + strconv.Itoa(dir) + "/" + base
}

// file makes a regular file.
func (a *applier) file(dir int, e entry, content io.Reader) error {
	var fd int
	err := a.create(dir, e, func() (err error) {
		fd, err = unix.Openat(dir, e.base, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
		return err
	})
	if err != nil {
		return err
	}
	err = a.fill(fd, e, content)
	if err == nil {
		err = describeFile(fd, e)
	}
	return errors.Join(err, unix.Close(fd))
}

// hole is how many zero bytes are worth a hole in a file.
const hole = 32 << 10

var zeros [hole]byte

// fill writes a file's content, and leaves holes where it is zero.
func (a *applier) fill(fd int, e entry, content io.Reader) error {
	var at int64
	trailing := false
	for at < e.size {
		n, err := io.ReadFull(content, a.buffer[:min(int64(len(a.buffer)), e.size-at)])
		if err != nil {
			return fmt.Errorf("read its content: %w", err)
		}
		if trailing, err = writeAt(fd, a.buffer[:n], at); err != nil {
			return err
		}
		at += int64(n)
	}
	if trailing {
		if err := unix.Ftruncate(fd, e.size); err != nil {
			return fmt.Errorf("set its size: %w", err)
		}
	}
	return nil
}

// writeAt writes runs of data that are not zero, and says whether it has left out
// the last.
func writeAt(fd int, data []byte, at int64) (leftOut bool, err error) {
	begin := 0 // of a run that is to be written
	write := func(end int) error {
		for begin < end {
			n, err := unix.Pwrite(fd, data[begin:end], at+int64(begin))
			if err != nil && !errors.Is(err, unix.EINTR) {
				return fmt.Errorf("write its content: %w", err)
			}
			begin += max(n, 0)
		}
		return nil
	}
	for i := 0; i < len(data); i += hole {
		part := data[i:min(i+hole, len(data))]
		if leftOut = bytes.Equal(part, zeros[:len(part)]); !leftOut {
			continue
		}
		if err := write(i); err != nil {
			return false, err
		}
		begin = i + len(part)
	}
	return leftOut, write(len(data))
}

// describeFile gives a file its owner, attributes, mode and times, in this order:
// a change of the owner takes away capabilities and set-ID bits.
func describeFile(fd int, e entry) error {
	if err := unix.Fchown(fd, e.uid, e.gid); err != nil {
		return fmt.Errorf("chown to %d:%d: %w", e.uid, e.gid, err)
	}
	for name, value := range e.xattrs {
		if err := unix.Fsetxattr(fd, name, []byte(value), 0); err != nil {
			return fmt.Errorf("set the extended attribute %s: %w", name, err)
		}
	}
	if err := unix.Fchmod(fd, e.mode&0o7777); err != nil {
		return fmt.Errorf("chmod to %#o: %w", e.mode&0o7777, err)
	}
	if err := unix.UtimesNanoAt(fd, "", e.times(), unix.AT_EMPTY_PATH); err != nil {
		return fmt.Errorf("set its times: %w", err)
	}
	return nil
}

// describe does it for what cannot be opened: links, devices, directories. Those
// get their times at the end.
func describe(dir int, e entry) error {
	if err := unix.Fchownat(dir, e.base, e.uid, e.gid, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("chown to %d:%d: %w", e.uid, e.gid, err)
	}
	for name, value := range e.xattrs {
		if err := unix.Lsetxattr(below(dir, e.base), name, []byte(value), 0); err != nil {
			return fmt.Errorf("set the extended attribute %s: %w", name, err)
		}
	}
	if e.kind == symlink {
		return e.setTimes(dir)
	}
	// It is no link: this layer has just made it, and nobody else writes here.
	if err := unix.Fchmodat(dir, e.base, e.mode&0o7777, 0); err != nil {
		return fmt.Errorf("chmod to %#o: %w", e.mode&0o7777, err)
	}
	if e.kind == directory {
		return nil
	}
	return e.setTimes(dir)
}

func (e *entry) setTimes(dir int) error {
	if err := unix.UtimesNanoAt(dir, e.base, e.times(), unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("set its times: %w", err)
	}
	return nil
}

// times are those of access and of modification. Few archives have the former.
func (e *entry) times() []unix.Timespec {
	access := e.accessed
	if access.IsZero() {
		access = e.modified
	}
	return []unix.Timespec{timespec(access), timespec(e.modified)}
}

func timespec(t time.Time) unix.Timespec {
	return unix.Timespec{Sec: t.Unix(), Nsec: int64(t.Nanosecond())}
}

// directory makes a directory, or describes one that is there.
func (a *applier) directory(dir int, e entry) error {
	err := unix.Mkdirat(dir, e.base, e.mode&0o7777)
	if errors.Is(err, unix.EEXIST) {
		var st unix.Stat_t
		if err := unix.Fstatat(dir, e.base, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return &os.PathError{Op: "stat", Path: e.path, Err: err}
		}
		if err = nil; st.Mode&unix.S_IFMT != unix.S_IFDIR {
			err = a.replaceByDirectory(dir, e)
		}
	}
	if err != nil {
		return &os.PathError{Op: "mkdir", Path: e.path, Err: err}
	}
	a.made[e.path] = madeDir{timespec(e.modified), true}
	return describe(dir, e)
}

// replaceByDirectory: what was there, a whiteout or a file, had hidden a directory
// of the layers below, so this one must hide it too.
func (a *applier) replaceByDirectory(dir int, e entry) error {
	if err := a.remove(dir, e.path); err != nil {
		return err
	}
	if err := unix.Mkdirat(dir, e.base, e.mode&0o7777); err != nil {
		return err
	}
	return a.setOpaque(below(dir, e.base))
}

// hardlink gives a file of this layer, or of one below, another name.
func (a *applier) hardlink(dir int, e entry) error {
	target := path.Clean(e.link)
	if target == e.path {
		return fmt.Errorf("%w: a hard link to itself", ErrRefused)
	}
	err := a.link(dir, e, target)
	if errors.Is(err, unix.ENOENT) {
		if err := a.copyUp(target); err != nil {
			return fmt.Errorf("hard link to %s: %w", e.link, err)
		}
		if dir, err = a.parent(e.dir); err != nil { // copyUp has gone elsewhere
			return err
		}
		err = a.link(dir, e, target)
	}
	if err != nil {
		return fmt.Errorf("hard link to %s: %w", e.link, err)
	}
	return nil
}

func (a *applier) link(dir int, e entry, target string) error {
	from := dir
	if parent := path.Dir(target); parent != e.dir {
		fd, err := unix.Openat2(a.root, parent, &unix.OpenHow{
			Flags:   unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC | unix.O_NOFOLLOW,
			Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV,
		})
		if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENOTDIR) {
			return fmt.Errorf("%w: its directory is a symbolic link, or none", ErrRefused)
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
	if isWhiteout(&st) || st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return fmt.Errorf("%w: the target is deleted, or a directory", ErrRefused)
	}
	return a.create(dir, e, func() error { return unix.Linkat(from, path.Base(target), dir, e.base, 0) })
}

// copyUp copies a file from the layers below into this one, as overlay would.
func (a *applier) copyUp(target string) error {
	from, st := a.below(target)
	if st == nil {
		return unix.ENOENT
	}
	e := entry{
		path: target, dir: path.Dir(target), base: path.Base(target), mode: st.Mode, size: st.Size, uid: int(st.Uid), gid: int(st.Gid),
		device: st.Rdev, modified: time.Unix(st.Mtim.Unix()), accessed: time.Unix(st.Atim.Unix()),
	}
	var err error
	if e.xattrs, err = xattrsOf(from); err != nil {
		return err
	}
	dir, err := a.parent(e.dir)
	if err != nil {
		return err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		f, err := os.OpenFile(from, os.O_RDONLY|unix.O_NOFOLLOW, 0)
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
	return describe(dir, e)
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
		if name == "" || isHostXattr(name) || strings.HasPrefix(name, "trusted.overlay.") || strings.HasPrefix(name, "user.overlay.") {
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

// copyMetadata gives a directory the owner, attributes and mode of another.
func copyMetadata(from string, st *unix.Stat_t, dir int, base string) error {
	xattrs, err := xattrsOf(from)
	if err != nil {
		return err
	}
	return describe(dir, entry{kind: directory, base: base, mode: st.Mode, uid: int(st.Uid), gid: int(st.Gid), xattrs: xattrs})
}

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
func (a *applier) finish() error {
	if a.alone {
		if err := a.hideAll(); err != nil {
			return err
		}
	}
	for name, d := range a.made {
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
