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

// This file owns type=local. The directory is the user's, and has what it has: other
// files, and links that lead out of it. So the result is written aside first, in a
// new directory below it, and then its files are moved to their places, each by one
// rename between two open directories. A link of the destination is replaced where
// the result has something else; nothing goes through it. A directory of the
// destination is never replaced, only filled.
//
// As buildx has it, the files belong to the user who builds.

// Local writes the file systems into a directory. With a time all files have it.
func Local(ctx context.Context, dest string, parts []Part, epoch *time.Time) error {
	made, err := makeAll(dest)
	if err != nil {
		return err
	}
	err = local(ctx, dest, parts, epoch)
	if err != nil {
		for _, dir := range made { // they are empty, or somebody else's by now
			_ = os.Remove(dir)
		}
		return fmt.Errorf("write the result to %s: %w", dest, err)
	}
	return nil
}

// makeAll is os.MkdirAll, and returns what it has made, the lowest first. The directory
// itself is for its owner alone: the result may have set-user-ID programs.
func makeAll(dir string) (made []string, err error) {
	for at := filepath.Clean(dir); ; at = filepath.Dir(at) {
		if _, err := os.Lstat(at); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		made = append(made, at)
	}
	if len(made) == 0 {
		return nil, os.MkdirAll(dir, 0o755) // or it is not a directory
	}
	err = os.MkdirAll(filepath.Dir(made[0]), 0o755)
	if err == nil {
		err = os.Mkdir(made[0], 0o700)
	}
	return made, err
}

func local(ctx context.Context, dest string, parts []Part, epoch *time.Time) (err error) {
	to, err := openDirectory(unix.AT_FDCWD, dest, 0)
	if err != nil {
		return err
	}
	defer func() { _ = to.Close() }()
	name := ".minirun-build-" + rand.Text()
	if err := unix.Mkdirat(int(to.Fd()), name, 0o700); err != nil {
		return fmt.Errorf("make a directory in it: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(fmt.Sprintf("/proc/self/fd/%d/%s", to.Fd(), name))) }()
	aside, err := openDirectory(int(to.Fd()), name, unix.O_NOFOLLOW)
	if err != nil {
		return err
	}
	defer func() { _ = aside.Close() }()
	if err := unpack(ctx, aside, parts, epoch); err != nil {
		return err
	}
	if err := move(aside, to, "", true); err != nil {
		return err
	}
	return move(aside, to, "", false)
}

// unpack writes the file systems into a directory that nobody else has.
func unpack(ctx context.Context, dir *os.File, parts []Part, epoch *time.Time) error {
	r, w := io.Pipe()
	packed := make(chan error, 1)
	go func() {
		err := pack(ctxio.NewWriter(ctx, w), parts, layer.PackOptions{Time: epoch, Owner: &layer.Owner{UID: os.Geteuid(), GID: os.Getegid()}})
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

// move moves what is in one directory to another one. Dry, it only looks whether
// all of it can be.
func move(from, to *os.File, at string, dry bool) error {
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
	source, err := kind(from, name)
	if err != nil {
		return &os.PathError{Op: "look at", Path: at, Err: err}
	}
	there, err := kind(to, name)
	switch {
	case errors.Is(err, unix.ENOENT):
	case err != nil:
		return &os.PathError{Op: "look at", Path: at, Err: err}
	case there == unix.S_IFDIR && source == unix.S_IFDIR:
		return moveInto(from, to, name, at, dry)
	case there == unix.S_IFDIR:
		return fmt.Errorf("%s: is a file in the result, and a directory there, which is not replaced: remove it", at)
	case source == unix.S_IFDIR && !dry: // rename would take a directory's place only with another one
		if err := unix.Unlinkat(int(to.Fd()), name, 0); err != nil {
			return &os.PathError{Op: "remove", Path: at, Err: err}
		}
	}
	if dry {
		return nil
	}
	if err := unix.Renameat(int(from.Fd()), name, int(to.Fd()), name); err != nil {
		return &os.PathError{Op: "move to its place", Path: at, Err: err}
	}
	return nil
}

func moveInto(from, to *os.File, name, at string, dry bool) error {
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
	return move(a, b, at, dry)
}

// kind is a file's type; a link is itself.
func kind(dir *os.File, name string) (uint32, error) {
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
