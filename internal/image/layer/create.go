package layer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/namespaces"
)

// A madeDir is a directory created from the archive.
type madeDir struct {
	modified unix.Timespec
	known    bool    // whether modified is valid; otherwise the directory keeps its creation time
	mode     *uint32 // set after the last entry; nil: already set
	listed   bool    // the archive has an entry for it; otherwise it only holds other files
}

// create calls how to create a file, replacing what the archive created there earlier.
func (a *applier) create(dir int, e entry, how func() error) error {
	err := how()
	if errors.Is(err, unix.EEXIST) {
		if err := a.removeExisting(dir, e.path); err != nil {
			return err
		}
		err = how()
	}
	if err != nil {
		return &os.PathError{Op: "create", Path: e.path, Err: err}
	}
	return nil
}

// removeExisting removes what is in the place of a new file.
func (a *applier) removeExisting(dir int, at string) error {
	if !a.rules.inUse {
		return a.remove(dir, at)
	}
	err := unix.Unlinkat(dir, path.Base(at), 0)
	if errors.Is(err, unix.EISDIR) {
		return fmt.Errorf("%w: there is a directory, which a file does not replace", ErrRefused)
	}
	if err != nil {
		return &os.PathError{Op: "replace", Path: at, Err: err}
	}
	return nil
}

// remove removes a path and everything below it. In a layer, that is only what this archive
// created.
func (a *applier) remove(dir int, at string) error {
	a.parents.forget(at)
	delete(a.copied, at)
	err := unix.Unlinkat(dir, path.Base(at), 0)
	if errors.Is(err, unix.EISDIR) {
		a.forgetDirectories(at)
		// os.RemoveAll does not follow links either; below a descriptor it cannot leave the root.
		err = os.RemoveAll(procPath(dir, path.Base(at)))
	}
	if err != nil {
		return fmt.Errorf("remove the existing file: %w", err)
	}
	return nil
}

// forgetDirectories drops the state of a directory and of those below it.
func (a *applier) forgetDirectories(at string) {
	isBelow := func(name string) bool { return name == at || strings.HasPrefix(name, at+"/") }
	maps.DeleteFunc(a.made, func(name string, _ madeDir) bool { return isBelow(name) })
	maps.DeleteFunc(a.opaque, func(name string, _ bool) bool { return isBelow(name) })
	maps.DeleteFunc(a.copied, func(name string, _ bool) bool { return isBelow(name) })
}

// procPath returns a path for a file in an open directory, for calls that do not take a descriptor.
func procPath(dir int, base string) string {
	return "/proc/self/fd/" + strconv.Itoa(dir) + "/" + base
}

// file creates a regular file.
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
		err = setFileMetadata(fd, e)
	}
	return errors.Join(err, unix.Close(fd))
}

// hole is the minimum number of zero bytes for which a hole is created.
const hole = 32 << 10

var zeros [hole]byte

// fill writes a file's content and leaves holes where it is zero.
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

// writeAt writes the runs of data that are not zero, and reports whether it left out the last one.
func writeAt(fd int, data []byte, at int64) (leftOut bool, err error) {
	begin := 0 // start of a run to be written
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

// setFileMetadata sets a file's owner, attributes, mode and times, in this order: changing the owner
// clears capabilities and set-ID bits.
func setFileMetadata(fd int, e entry) error {
	if err := unix.Fchown(fd, e.uid, e.gid); err != nil {
		return namespaces.OwnerError(e.uid, e.gid, err)
	}
	for name, value := range e.xattrs {
		if err := unix.Fsetxattr(fd, name, []byte(value), 0); err != nil && !e.mayLack(err) {
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

// setMetadata does the same for files that cannot be opened for writing: links, devices, directories.
// Directories get their times at the end. The name is looked up only once, because a container may
// replace the file with a link meanwhile, and chmod(2) would follow it.
func setMetadata(dir int, e entry) error {
	fd, err := unix.Openat(dir, e.base, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open the new file", Path: e.path, Err: err}
	}
	return errors.Join(setOpenMetadata(fd, e), unix.Close(fd))
}

// setOpenMetadata sets the metadata of a file that is open with O_PATH.
func setOpenMetadata(fd int, e entry) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if isLink := st.Mode&unix.S_IFMT == unix.S_IFLNK; isLink != (e.kind == symlink) {
		return fmt.Errorf("%w: another process replaced the file", ErrRefused)
	}
	if err := unix.Fchownat(fd, "", e.uid, e.gid, unix.AT_EMPTY_PATH); err != nil {
		return namespaces.OwnerError(e.uid, e.gid, err)
	}
	file := "/proc/self/fd/" + strconv.Itoa(fd)
	for name, value := range e.xattrs {
		if err := unix.Setxattr(file, name, []byte(value), 0); err != nil && !e.mayLack(err) {
			return fmt.Errorf("set the extended attribute %s: %w", name, err)
		}
	}
	if e.kind != symlink {
		if err := unix.Fchmodat(unix.AT_FDCWD, file, e.mode&0o7777, 0); err != nil {
			return fmt.Errorf("chmod to %#o: %w", e.mode&0o7777, err)
		}
	}
	if e.kind == directory {
		return nil
	}
	if err := unix.UtimesNanoAt(fd, "", e.times(), unix.AT_EMPTY_PATH); err != nil {
		return fmt.Errorf("set its times: %w", err)
	}
	return nil
}

// mayLack reports whether a file may stay without an extended attribute: its file system has none,
// and the user did not choose it for this file.
func (e *entry) mayLack(err error) bool { return e.inUse && errors.Is(err, unix.ENOTSUP) }

// times returns the access and modification times. Few archives contain the access time.
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

// directory creates a directory, or updates an existing one.
func (a *applier) directory(dir int, e entry) error {
	made := madeDir{modified: timespec(e.modified), known: true, listed: true}
	if mode := e.mode & 0o7777; mode&0o700 != 0o700 { // without privileges, nothing could be created in it
		made.mode = &mode
		e.mode |= 0o700
	}
	err := unix.Mkdirat(dir, e.base, e.mode&0o7777)
	if errors.Is(err, unix.EEXIST) {
		var st unix.Stat_t
		if err := unix.Fstatat(dir, e.base, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return &os.PathError{Op: "stat", Path: e.path, Err: err}
		}
		if st.Mode&unix.S_IFMT != unix.S_IFDIR {
			err = a.replaceByDirectory(dir, e)
		} else {
			err = a.clearXattrs(dir, e.base)
		}
	}
	if err != nil {
		return &os.PathError{Op: "mkdir", Path: e.path, Err: err}
	}
	a.made[e.path] = made
	return setMetadata(dir, e)
}

// clearXattrs removes the extended attributes that a directory has from an earlier entry or from
// the lower layer. The last entry describes all of them.
func (a *applier) clearXattrs(dir int, base string) error {
	if !a.rules.marks {
		return nil
	}
	there, err := xattrsOf(procPath(dir, base))
	for name := range there {
		err = errors.Join(err, unix.Lremovexattr(procPath(dir, base), name))
	}
	return err
}

// replaceByDirectory replaces a whiteout or a file with a directory. If that hid a directory of the
// lower layers, the new directory must hide it too.
func (a *applier) replaceByDirectory(dir int, e entry) error {
	if a.rules.inUse {
		return fmt.Errorf("%w: there is a file, which a directory does not replace", ErrRefused)
	}
	if err := a.remove(dir, e.path); err != nil {
		return err
	}
	if err := unix.Mkdirat(dir, e.base, e.mode&0o7777); err != nil {
		return err
	}
	return a.hideBelow(dir, e.path)
}
