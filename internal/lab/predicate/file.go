package predicate

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/lab/words"
	"github.com/minirun/minirun/internal/regularfile"
)

// file asks for a file: in the learner's directory, or as a container sees it.
type file struct {
	Of       `yaml:",inline"`
	In       string `yaml:"in"`   // lab (the learner's directory, the default) or container
	Path     string `yaml:"path"` // relative to it
	Contains string `yaml:"contains"`
	Is       string `yaml:"is"` // its text, without space around it
	Absent   bool   `yaml:"absent"`
	Whiteout bool   `yaml:"whiteout"` // a character device 0:0: a removed file in an upper directory
	Owner    *int   `yaml:"owner"`    // user ID on the host
}

// longestFile is the most that is read of a learner's file.
const longestFile = 1 << 20

// inside keeps links from leading out of a directory (openat2(2)).
const inside = unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS

// openRoot opens a directory below which a learner's files are opened.
func openRoot(dir string) (*os.File, error) {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: dir, Err: err}
	}
	return os.NewFile(uintptr(fd), dir), nil
}

// readLearnerFile reads a file in the learner's directory.
func readLearnerFile(s *Scene, path string) (string, error) { return readBelow(s.Dir, path) }

// readBelow reads a regular file below a directory, up to longestFile bytes.
func readBelow(dir, path string) (string, error) {
	root, err := openRoot(dir)
	if err != nil {
		return "", err
	}
	defer root.Close()
	f, err := regularfile.OpenIn(int(root.Fd()), path, inside)
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, longestFile))
	return string(data), err
}

// statBelow returns the status of a file below a directory. It does not follow a link at the end.
func statBelow(dir, path string) (*unix.Stat_t, error) {
	root, err := openRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	fd, err := regularfile.OpenPathIn(int(root.Fd()), path, unix.O_NOFOLLOW, inside)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	return &st, unix.Fstat(fd, &st)
}

func (q *file) Holds(_ context.Context, s *Scene) (*Failure, error) {
	dir := s.Dir
	look := "ls -l " + q.Path
	if q.In == "container" {
		p, failure := q.find(s)
		if failure != nil {
			return failure, nil
		}
		dir = p.Proc("root")
		look = "ls -l " + filepath.Join(dir, q.Path)
	}
	st, err := statBelow(dir, q.Path)
	if errors.Is(err, fs.ErrNotExist) {
		if q.Absent {
			return nil, nil
		}
		return fail(words.New("the file %s", q.Path), words.New("it does not exist"), "%s", look)
	}
	if err != nil {
		return nil, err
	}
	switch {
	case q.Absent:
		return fail(words.New("no file %s", q.Path), words.New("it exists"), "%s", look)
	case q.Whiteout && (st.Mode&unix.S_IFMT != unix.S_IFCHR || st.Rdev != 0):
		return fail(words.New("a whiteout %s (character device 0, 0)", q.Path), words.New("mode %o", st.Mode), "%s", look)
	case q.Owner != nil && int(st.Uid) != *q.Owner:
		return fail(words.New("%s belongs to user %d", q.Path, *q.Owner), words.New("user %d", st.Uid), "%s", look)
	case q.Contains == "" && q.Is == "":
		return nil, nil
	}
	text, err := readBelow(dir, q.Path)
	if err != nil {
		return nil, err
	}
	text = strings.TrimSpace(text)
	switch {
	case q.Is != "" && text != strings.TrimSpace(q.Is):
		return fail(words.New("%s contains exactly %q", q.Path, q.Is), words.New("%q", shorten(text)), "cat %s", q.Path)
	case !strings.Contains(text, q.Contains):
		return fail(words.New("%s contains %q", q.Path, q.Contains), words.New("%q", shorten(text)), "cat %s", q.Path)
	}
	return nil, nil
}

// shorten returns the beginning of a text, for a message.
func shorten(text string) string {
	const most = 300
	text = strings.TrimSpace(text)
	if len(text) <= most {
		return text
	}
	return text[:most] + "…"
}
