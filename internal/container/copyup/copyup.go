// Package copyup copies a directory of an image into the tmpfs that covers it
// (tmpcopyup). Everything is opened relative to the two directories and no link is
// followed, so the copy cannot leave them.
package copyup

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/regularfile"
	"github.com/minirun/minirun/internal/spec"
)

// Preserved lists the attributes of a directory that are not copied.
type Preserved struct{ Mode, UID, GID bool }

// PreservedBy returns the attributes that the options of the nth tmpfs with tmpcopyup
// set: the image's attributes do not replace the requested ones. The process asks for
// the copies in the order of config.json.
func PreservedBy(s *specs.Spec, n int) (k Preserved) {
	for i := range s.Mounts {
		o, err := spec.ParseMountOptions(s.Mounts[i].Options)
		if err != nil || !o.TmpCopyUp || o.Flags&unix.MS_REMOUNT != 0 {
			continue
		}
		if n > 0 {
			n--
			continue
		}
		for _, d := range o.Data {
			name, _, _ := strings.Cut(d, "=")
			k.Mode = k.Mode || name == "mode"
			k.UID = k.UID || name == "uid"
			k.GID = k.GID || name == "gid"
		}
		break
	}
	return k
}

const noFollow = unix.O_NOFOLLOW | unix.O_CLOEXEC

// Copy copies the directory from, with its content, onto the directory to. An
// error of stop, which it calls for each piece, ends the copy.
func Copy(stop func() error, from, to int, path string, keep Preserved) error {
	source, err := reopenDir(from, path)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := reopenDir(to, path)
	if err != nil {
		return err
	}
	defer target.Close()
	names, err := source.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := copyEntry(stop, int(source.Fd()), int(target.Fd()), name, path+"/"+name); err != nil {
			return err
		}
	}
	return copyAttributes(int(source.Fd()), int(target.Fd()), keep)
}

func reopenDir(fd int, path string) (*os.File, error) {
	opened, err := unix.Openat(fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|noFollow, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s/: %w", path, err)
	}
	return os.NewFile(uintptr(opened), path), nil
}

func copyEntry(stop func() error, from, to int, name, path string) error {
	if err := stop(); err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstatat(from, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	var err error
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return copyDirectory(stop, from, to, name, path)
	case unix.S_IFREG:
		err = copyFile(stop, from, to, name)
	case unix.S_IFLNK:
		err = copyLink(from, to, name, &st)
	default:
		if err = unix.Mknodat(to, name, st.Mode, int(st.Rdev)); err == nil {
			err = unix.Fchownat(to, name, int(st.Uid), int(st.Gid), unix.AT_SYMLINK_NOFOLLOW)
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func copyDirectory(stop func() error, from, to int, name, path string) error {
	if err := unix.Mkdirat(to, name, 0o700); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	fds := [2]int{}
	for i, dir := range [2]int{from, to} {
		fd, err := unix.Openat(dir, name, unix.O_PATH|unix.O_DIRECTORY|noFollow, 0)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		defer unix.Close(fd)
		fds[i] = fd
	}
	return Copy(stop, fds[0], fds[1], path, Preserved{})
}

func copyFile(stop func() error, from, to int, name string) error {
	source, err := regularfile.OpenAt(from, name)
	if err != nil {
		return err
	}
	defer source.Close()
	out, err := unix.Openat(to, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|noFollow, 0o600)
	if err != nil {
		return err
	}
	target := os.NewFile(uintptr(out), name)
	defer target.Close()
	for more := true; more; {
		n, err := target.ReadFrom(io.LimitReader(source, pieceSize))
		if err == nil {
			err = stop()
		}
		if err != nil {
			return err
		}
		more = n == pieceSize
	}
	return copyAttributes(int(source.Fd()), out, Preserved{})
}

// pieceSize is the amount of a file that is copied at once, in bytes.
const pieceSize = 16 << 20

func copyLink(from, to int, name string, st *unix.Stat_t) error {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(from, name, buf)
	if err != nil {
		return err
	}
	if err := unix.Symlinkat(string(buf[:n]), to, name); err != nil {
		return err
	}
	return unix.Fchownat(to, name, int(st.Uid), int(st.Gid), unix.AT_SYMLINK_NOFOLLOW)
}

// copyAttributes copies owner, mode, extended attributes and times from one
// open file to another, except those to keep.
func copyAttributes(from, to int, keep Preserved) error {
	var st unix.Stat_t
	if err := unix.Fstat(from, &st); err != nil {
		return err
	}
	uid, gid := int(st.Uid), int(st.Gid)
	if keep.UID {
		uid = -1
	}
	if keep.GID {
		gid = -1
	}
	if err := unix.Fchown(to, uid, gid); err != nil {
		return err
	}
	// After the owner: a change of owner clears set-user-ID.
	if !keep.Mode {
		if err := unix.Fchmod(to, st.Mode&0o7777); err != nil {
			return err
		}
	}
	if err := copyXattrs(from, to); err != nil {
		return err
	}
	return unix.UtimesNanoAt(to, "", []unix.Timespec{st.Atim, st.Mtim}, unix.AT_EMPTY_PATH)
}

// copyXattrs copies extended attributes; those that a tmpfs cannot store (ENOTSUP) are
// of no use there.
func copyXattrs(from, to int) error {
	list := make([]byte, 64<<10)
	n, err := unix.Flistxattr(from, list)
	if err != nil {
		if errors.Is(err, unix.ENOTSUP) {
			return nil
		}
		return err
	}
	value := make([]byte, 64<<10)
	for _, name := range strings.FieldsFunc(string(list[:n]), func(r rune) bool { return r == 0 }) {
		size, err := unix.Fgetxattr(from, name, value)
		if err == nil {
			err = unix.Fsetxattr(to, name, value[:size], 0)
		}
		if err != nil && !errors.Is(err, unix.ENOTSUP) && !errors.Is(err, unix.ENODATA) {
			return fmt.Errorf("attribute %s: %w", name, err)
		}
	}
	return nil
}
