package export

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/ctxio"
	"github.com/minirun/minirun/internal/image/layer"
)

// This file handles type=local. The directory belongs to the user and may already contain
// other files, and links that lead out of it. So the result is first written to a new
// directory below it, and then its files are moved to their places, each by one rename between
// two open directories. Where the result has a different file, a link in the destination is
// replaced; it is never followed. A directory in the destination is never replaced, only
// filled.
//
// As in buildx, the files belong to the user who runs the build.

// WriteLocal writes the file systems to a directory. If epoch is set, all files get that time.
func WriteLocal(ctx context.Context, dest string, parts []Part, epoch *time.Time) error {
	made, err := createDirs(dest)
	if err != nil {
		return err
	}
	err = writeLocal(ctx, dest, parts, epoch)
	if err != nil {
		for _, dir := range made { // they are empty, or another process has filled them
			_ = os.Remove(dir)
		}
		return fmt.Errorf("cannot write the result to %s: %w", dest, err)
	}
	return nil
}

// createDirs is like os.MkdirAll, and returns the directories that it created, lowest first. Only
// the owner can enter the directory itself: the result may contain set-user-ID programs.
func createDirs(dir string) (made []string, err error) {
	for at := filepath.Clean(dir); ; at = filepath.Dir(at) {
		if _, err := os.Lstat(at); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		made = append(made, at)
	}
	if len(made) == 0 {
		return nil, os.MkdirAll(dir, 0o755) // does nothing, or fails because it is not a directory
	}
	err = os.MkdirAll(filepath.Dir(made[0]), 0o755)
	if err == nil {
		err = os.Mkdir(made[0], 0o700)
	}
	return made, err
}

func writeLocal(ctx context.Context, dest string, parts []Part, epoch *time.Time) (err error) {
	to, err := openDirectory(unix.AT_FDCWD, dest, 0)
	if err != nil {
		return err
	}
	defer func() { _ = to.Close() }()
	name := ".minirun-build-" + rand.Text()
	if err := unix.Mkdirat(int(to.Fd()), name, 0o700); err != nil {
		return fmt.Errorf("create a temporary directory in it: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(fmt.Sprintf("/proc/self/fd/%d/%s", to.Fd(), name))) }()
	temporary, err := openDirectory(int(to.Fd()), name, unix.O_NOFOLLOW)
	if err != nil {
		return err
	}
	defer func() { _ = temporary.Close() }()
	if err := extractParts(ctx, temporary, parts, epoch); err != nil {
		return err
	}
	if err := walkBoth(temporary, to, "", checkEntry); err != nil {
		return err
	}
	return walkBoth(temporary, to, "", moveEntry)
}

// extractParts writes the file systems to a directory that no other process uses.
func extractParts(ctx context.Context, dir *os.File, parts []Part, epoch *time.Time) error {
	r, w := io.Pipe()
	packed := make(chan error, 1)
	go func() {
		err := writeTar(ctxio.NewWriter(ctx, w), parts, layer.PackOptions{Time: epoch,
			Owner: &layer.Owner{UID: os.Geteuid(), GID: os.Getegid()}})
		_ = w.CloseWithError(err)
		packed <- err
	}()
	_, err := layer.Apply(ctx, fmt.Sprintf("/proc/self/fd/%d/.", dir.Fd()), r, layer.Options{})
	_ = r.CloseWithError(err)
	first := <-packed
	if first != nil && !errors.Is(first, io.ErrClosedPipe) && (err == nil || errors.Is(err, first)) {
		return first
	}
	return err
}

// An entry is a file of the result that has a place in the destination.
type entry struct {
	from, to     *os.File // the directories
	name, path   string
	source, dest uint32 // the types; dest is 0 if there is no such file
}

// walkBoth visits each file of a directory. If the other directory has a directory of the same
// name, its files are visited instead.
func walkBoth(from, to *os.File, at string, visit func(*entry) error) error {
	if _, err := from.Seek(0, io.SeekStart); err != nil {
		return err
	}
	names, err := from.Readdirnames(-1)
	if err != nil {
		return err
	}
	slices.Sort(names)
	for _, name := range names {
		e := &entry{from: from, to: to, name: name, path: path.Join(at, name)}
		if err := e.readTypes(); err != nil {
			return err
		}
		if e.source == unix.S_IFDIR && e.dest == unix.S_IFDIR {
			err = walkInto(e, visit)
		} else {
			err = visit(e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (e *entry) readTypes() (err error) {
	if e.source, err = fileType(e.from, e.name); err != nil {
		return &os.PathError{Op: "stat", Path: e.path, Err: err}
	}
	e.dest, err = fileType(e.to, e.name)
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return &os.PathError{Op: "stat", Path: e.path, Err: err}
	}
	return nil
}

func walkInto(e *entry, visit func(*entry) error) error {
	from, err := openDirectory(int(e.from.Fd()), e.name, unix.O_NOFOLLOW)
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }()
	to, err := openDirectory(int(e.to.Fd()), e.name, unix.O_NOFOLLOW)
	if err != nil {
		return err
	}
	defer func() { _ = to.Close() }()
	return walkBoth(from, to, e.path, visit)
}

// checkEntry reports whether a file can be moved.
func checkEntry(e *entry) error {
	if e.dest == unix.S_IFDIR {
		return fmt.Errorf("%s is a file in the result, but a directory in the destination\n"+
			"hint: remove the directory", e.path)
	}
	return nil
}

// moveEntry moves a file to its place.
func moveEntry(e *entry) error {
	if err := checkEntry(e); err != nil {
		return err
	}
	if e.source == unix.S_IFDIR && e.dest != 0 { // rename replaces a directory only with another directory
		if err := unix.Unlinkat(int(e.to.Fd()), e.name, 0); err != nil {
			return &os.PathError{Op: "remove", Path: e.path, Err: err}
		}
	}
	if err := unix.Renameat(int(e.from.Fd()), e.name, int(e.to.Fd()), e.name); err != nil {
		return &os.PathError{Op: "move", Path: e.path, Err: err}
	}
	return nil
}

// fileType is a file's type, or 0 after an error. Links are not followed.
func fileType(dir *os.File, name string) (uint32, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return 0, err
	}
	return st.Mode & unix.S_IFMT, nil
}

func openDirectory(dir int, name string, flags int) (*os.File, error) {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|flags, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}
