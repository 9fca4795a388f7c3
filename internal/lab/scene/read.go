package scene

import (
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/regularfile"
)

// LongestFile is the most that is read of a learner's file.
const LongestFile = 1 << 20

// Inside keeps links from leading out of a directory (openat2(2)).
const Inside = unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS

// OpenRoot opens a directory below which a learner's files are opened.
func OpenRoot(dir string) (*os.File, error) {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: dir, Err: err}
	}
	return os.NewFile(uintptr(fd), dir), nil
}

// ReadLearnerFile reads a file in the learner's directory.
func ReadLearnerFile(s *Scene, path string) (string, error) { return ReadBelow(s.Dir, path) }

// ReadBelow reads a regular file below a directory, up to longestFile bytes.
func ReadBelow(dir, path string) (string, error) {
	root, err := OpenRoot(dir)
	if err != nil {
		return "", err
	}
	defer root.Close()
	f, err := regularfile.OpenIn(int(root.Fd()), path, Inside)
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, LongestFile))
	return string(data), err
}

// StatBelow returns the status of a file below a directory. It does not follow a link at the end.
func StatBelow(dir, path string) (*unix.Stat_t, error) {
	root, err := OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	fd, err := regularfile.OpenPathIn(int(root.Fd()), path, unix.O_NOFOLLOW, Inside)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	return &st, unix.Fstat(fd, &st)
}

// Shorten returns the beginning of a text, for a message.
func Shorten(text string) string {
	const most = 300
	text = strings.TrimSpace(text)
	if len(text) <= most {
		return text
	}
	return text[:most] + "…"
}
