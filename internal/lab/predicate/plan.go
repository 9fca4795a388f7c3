package predicate

import (
	"bytes"
	"context"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/minirun/minirun/internal/lab/scene"
	"github.com/minirun/minirun/internal/lab/words"
)

// planned asks which system calls minirun would make for a bundle. The plan is what runs: its text is decoded
// from the numbers that the kernel would get.
type planned struct {
	Bundle string `yaml:"bundle"`
	Has    string `yaml:"has"`   // a regular expression that a line matches, such as unshare\(.*NEWUSER
	Lacks  string `yaml:"lacks"` // one that no line matches
}

func (q *planned) Holds(ctx context.Context, s *scene.Scene) (*scene.Failure, error) {
	has, err := regexp.Compile("(?m)" + q.Has)
	if err != nil {
		return nil, err
	}
	lacks, err := regexp.Compile("(?m)" + q.Lacks)
	if err != nil {
		return nil, err
	}
	command := append(slices.Clone(s.Minirun), "plan", filepath.Join(s.Dir, q.Bundle))
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	var out, failure bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &failure
	look := "./minirun plan " + q.Bundle
	if err := cmd.Run(); err != nil {
		return scene.Fail(words.New("%s has a plan", q.Bundle), words.New("%s", scene.Shorten(failure.String())), "%s", look)
	}
	if !has.Match(out.Bytes()) {
		return scene.Fail(words.New("the plan of %s has the call %s", q.Bundle, q.Has), words.New("no such line"), "%s", look)
	}
	if q.Lacks != "" {
		if line := lacks.Find(out.Bytes()); line != nil {
			return scene.Fail(words.New("the plan of %s has no call %s", q.Bundle, q.Lacks), words.New("%s", string(line)),
				"%s", look)
		}
	}
	return nil, nil
}
