package predicate

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/minirun/minirun/internal/lab/scene"
	"github.com/minirun/minirun/internal/lab/words"
)

// unchanged asks whether a directory of the learner is as in the start state.
type unchanged struct {
	Dir string `yaml:"dir"`
}

func (q *unchanged) Holds(_ context.Context, s *scene.Scene) (*scene.Failure, error) {
	name, err := firstDifference(filepath.Join(s.Start, q.Dir), filepath.Join(s.Dir, q.Dir))
	if err != nil || name == "" {
		return nil, err
	}
	return scene.Fail(words.New("%s is as at the start", q.Dir), words.New("%s is different", filepath.Join(q.Dir, name)),
		"diff -r \"%s\" %s", filepath.Join(s.Start, q.Dir), q.Dir)
}

// firstDifference returns the name of the first file that is in only one of two directories, or differs in
// type, mode or content.
func firstDifference(a, b string) (name string, err error) {
	for _, pair := range [][2]string{{a, b}, {b, a}} {
		err := filepath.WalkDir(pair[0], func(path string, _ fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(pair[0], path)
			if err != nil {
				return err
			}
			same, err := isSameFile(path, filepath.Join(pair[1], rel))
			if err == nil && !same {
				name = rel
				return fs.SkipAll
			}
			return err
		})
		if err != nil || name != "" {
			return name, err
		}
	}
	return "", nil
}

// isSameFile compares two files of any type. It follows no links.
func isSameFile(a, b string) (bool, error) {
	one, err := os.Lstat(a)
	if err != nil {
		return false, err
	}
	other, err := os.Lstat(b)
	if err != nil || one.Mode() != other.Mode() {
		return false, nil
	}
	if !one.Mode().IsRegular() {
		return true, nil
	}
	if one.Size() != other.Size() {
		return false, nil
	}
	first, err := os.ReadFile(a)
	if err != nil {
		return false, err
	}
	second, err := os.ReadFile(b)
	return bytes.Equal(first, second), err
}
