package predicate

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/lab/scene"
	"github.com/minirun/minirun/internal/lab/words"
)

// file asks for a file: in the learner's directory, or as a container sees it.
type file struct {
	scene.Of `yaml:",inline"`
	In       string `yaml:"in"`   // lab (the learner's directory, the default) or container
	Path     string `yaml:"path"` // relative to it
	Contains string `yaml:"contains"`
	Is       string `yaml:"is"` // its text, without space around it
	Absent   bool   `yaml:"absent"`
	Whiteout bool   `yaml:"whiteout"` // a character device 0:0: a removed file in an upper directory
	Owner    *int   `yaml:"owner"`    // user ID on the host
}

func (q *file) Holds(_ context.Context, s *scene.Scene) (*scene.Failure, error) {
	dir := s.Dir
	look := "ls -l " + q.Path
	if q.In == "container" {
		p, failure := q.Find(s)
		if failure != nil {
			return failure, nil
		}
		dir = p.Proc("root")
		look = "ls -l " + filepath.Join(dir, q.Path)
	}
	st, err := scene.StatBelow(dir, q.Path)
	if errors.Is(err, fs.ErrNotExist) {
		if q.Absent {
			return nil, nil
		}
		return scene.Fail(words.New("the file %s", q.Path), words.New("it does not exist"), "%s", look)
	}
	if err != nil {
		return nil, err
	}
	switch {
	case q.Absent:
		return scene.Fail(words.New("no file %s", q.Path), words.New("it exists"), "%s", look)
	case q.Whiteout && (st.Mode&unix.S_IFMT != unix.S_IFCHR || st.Rdev != 0):
		return scene.Fail(words.New("a whiteout %s (character device 0, 0)", q.Path), words.New("mode %o", st.Mode), "%s",
			look)
	case q.Owner != nil && int(st.Uid) != *q.Owner:
		return scene.Fail(words.New("%s belongs to user %d", q.Path, *q.Owner), words.New("user %d", st.Uid), "%s", look)
	case q.Contains == "" && q.Is == "":
		return nil, nil
	}
	text, err := scene.ReadBelow(dir, q.Path)
	if err != nil {
		return nil, err
	}
	text = strings.TrimSpace(text)
	switch {
	case q.Is != "" && text != strings.TrimSpace(q.Is):
		return scene.Fail(words.New("%s contains exactly %q", q.Path, q.Is), words.New("%q", scene.Shorten(text)),
			"cat %s", q.Path)
	case !strings.Contains(text, q.Contains):
		return scene.Fail(words.New("%s contains %q", q.Path, q.Contains), words.New("%q", scene.Shorten(text)), "cat %s",
			q.Path)
	}
	return nil, nil
}
