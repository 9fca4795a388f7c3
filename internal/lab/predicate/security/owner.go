package security

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/minirun/minirun/internal/lab/scene"
	"github.com/minirun/minirun/internal/lab/words"
)

// owner asks for the two owners of one file: that on the host, and that in the container, which sees the
// file through a mount and its user namespace.
type owner struct {
	scene.Of `yaml:",inline"`
	File     string `yaml:"file"`   // in the learner's directory
	At       string `yaml:"at"`     // the same file in the container
	IsUser   string `yaml:"user"`   // on the host: a number, or caller for the user of the lab
	Inside   int    `yaml:"inside"` // in the container
}

func (q *owner) Holds(_ context.Context, s *scene.Scene) (*scene.Failure, error) {
	p, failure := q.Find(s)
	if failure != nil {
		return failure, nil
	}
	outside, err := scene.StatBelow(s.Dir, q.File)
	if errors.Is(err, fs.ErrNotExist) {
		return scene.Fail(words.New("the file %s", q.File), words.New("it does not exist"), "ls -l %s", filepath.Dir(q.File))
	}
	if err != nil {
		return nil, err
	}
	user := q.IsUser
	if user == "caller" {
		user = s.Values["uid"]
	}
	if strconv.Itoa(int(outside.Uid)) != user {
		return scene.Fail(words.New("%s belongs to user %s on the host", q.File, user), words.New("user %d", outside.Uid),
			"ls -ln %s", q.File)
	}
	root := p.Proc("root")
	look := "ls -lni " + q.File + " " + filepath.Join(root, q.At)
	inside, err := scene.StatBelow(root, q.At)
	if err != nil || inside.Ino != outside.Ino || inside.Dev != outside.Dev {
		return scene.Fail(words.New("%s is the file %s in the container", q.File, q.At), words.New("another file, or none"),
			"%s", look)
	}
	text, err := os.ReadFile(p.Proc("uid_map"))
	if err != nil {
		return nil, err
	}
	seen, ok := unmapID(string(text), int(inside.Uid))
	if !ok {
		return scene.Fail(words.New("%s belongs to user %d in the container", q.At, q.Inside),
			words.New("an owner that its user namespace does not map: %d of the host", inside.Uid), "%s", look)
	}
	if seen != q.Inside {
		return scene.Fail(words.New("%s belongs to user %d in the container", q.At, q.Inside), words.New("user %d", seen),
			"%s", look)
	}
	return nil, nil
}

// unmapID returns the ID inside that a map gives an ID outside.
func unmapID(text string, outside int) (inside int, ok bool) {
	for line := range strings.Lines(text) {
		var first, to, count int
		if _, err := fmt.Sscan(line, &first, &to, &count); err == nil && outside >= to && outside-to < count {
			return first + outside - to, true
		}
	}
	return 0, false
}
