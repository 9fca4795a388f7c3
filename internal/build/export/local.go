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
	if err := moveContents(temporary, to, "", true); err != nil {
		return err
	}
	return moveContents(temporary, to, "", false)
}

// extractParts writes the file systems to a directory that no other process uses.
func extractParts(ctx context.Context, dir *os.File, parts []Part, epoch *time.Time) error {
	r, w := io.Pipe()
	packed := make(chan error, 1)
	go func() {
		err := writeTar(ctxio.NewWriter(ctx, w), parts, layer.PackOptions{Time: epoch, Owner: &layer.Owner{UID: os.Geteuid(), GID: os.Getegid()}})
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

// moveContents moves the content of one directory to another. With dry, it only checks that every file
// can be moved.
func moveContents(from, to *os.File, at string, dry bool) error {
	if _, err := from.Seek(0, io.SeekStart); err != nil {
		return err
	}
	names, err := from.Readdirnames(-1)
	if err != nil {
		return err
	}
	slices.Sort(names)
	for _, name := range names {
		if err := moveOne(from, to, name, path.Join(at, name), dry); err != nil {
			return err
		}
	}
	return nil
}

func moveOne(from, to *os.File, name, at string, dry bool) error {
	source, err := fileType(from, name)
	if err != nil {
		return &os.PathError{Op: "stat", Path: at, Err: err}
	}
	there, err := fileType(to, name)
	switch {
	case errors.Is(err, unix.ENOENT):
	case err != nil:
		return &os.PathError{Op: "stat", Path: at, Err: err}
	case there == unix.S_IFDIR && source == unix.S_IFDIR:
		return moveDirectory(from, to, name, at, dry)
	case there == unix.S_IFDIR:
		return fmt.Errorf("%s is a file in the result, but a directory in the destination\nhint: remove the directory", at)
	case source == unix.S_IFDIR && !dry: // rename replaces a directory only with another directory
		if err := unix.Unlinkat(int(to.Fd()), name, 0); err != nil {
			return &os.PathError{Op: "remove", Path: at, Err: err}
		}
	}
	if dry {
		return nil
	}
	if err := unix.Renameat(int(from.Fd()), name, int(to.Fd()), name); err != nil {
		return &os.PathError{Op: "move", Path: at, Err: err}
	}
	return nil
}

func moveDirectory(from, to *os.File, name, at string, dry bool) error {
	a, err := openDirectory(int(from.Fd()), name, unix.O_NOFOLLOW)
	if err != nil {
		return err
	}
	defer func() { _ = a.Close() }()
	b, err := openDirectory(int(to.Fd()), name, unix.O_NOFOLLOW)
	if err != nil {
		return err
	}
	defer func() { _ = b.Close() }()
	return moveContents(a, b, at, dry)
}

// fileType is a file's type; links are not followed.
func fileType(dir *os.File, name string) (uint32, error) {
	var st unix.Stat_t
	err := unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW)
	return st.Mode & unix.S_IFMT, err
}

func openDirectory(dir int, name string, flags int) (*os.File, error) {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|flags, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}
