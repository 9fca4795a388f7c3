package predicate

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/minirun/minirun/internal/lab/scene"
	"github.com/minirun/minirun/internal/lab/words"
)

// runs runs a bundle of the learner, and asks whether one of its processes executes a program: what a
// program prints could come from another one.
type runs struct {
	Bundle  string `yaml:"bundle"`
	Program string `yaml:"program"` // its path in the container: a binary, or a script
	User    string `yaml:"user"`    // the process's user ID
	Cwd     string `yaml:"cwd"`     // its working directory
}

// programPatience is how long the processes of a container may stay the same before its program is
// executed.
const programPatience = time.Second

func (q *runs) Holds(ctx context.Context, s *scene.Scene) (*scene.Failure, error) {
	t, err := s.Try(ctx, q.Bundle)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	expected := words.New("%s executes %s", q.Bundle, q.Program)
	look := "./minirun run " + q.Bundle
	if t.Process(ctx) == nil {
		return scene.Fail(expected, words.New("%s", scene.Shorten(t.Output())), "%s", look)
	}
	p, others := executing(t, q.Program)
	if p == nil {
		if t.Ended(0) || len(others) == 0 {
			return scene.Fail(expected, words.New("%s", scene.Shorten(t.Output())), "%s", look)
		}
		return scene.Fail(expected, words.New("it executes %s", strings.Join(others, "; ")), "%s", look)
	}
	if uid, _, _ := strings.Cut(p.Status["Uid"], " "); q.User != "" && uid != q.User {
		return scene.Fail(words.New("%s runs as user %s", q.Bundle, q.User), words.New("user %s", uid),
			"%s; ./minirun ps", look)
	}
	if q.Cwd == "" {
		return nil, nil
	}
	cwd, err := os.Readlink(p.Proc("cwd"))
	if err != nil {
		return nil, err
	}
	if cwd != q.Cwd {
		return scene.Fail(words.New("%s runs in the directory %s", q.Bundle, q.Cwd), words.New("%s", cwd), "%s", look)
	}
	return nil, nil
}

// executing waits for a process of the trial that executes a program. If there is none although nothing
// changes any more, it returns the command lines of those that are there.
func executing(t *scene.Trial, program string) (p *scene.Process, others []string) {
	changed := time.Now()
	for deadline := changed.Add(scene.StartPatience); time.Now().Before(deadline) &&
		time.Since(changed) < programPatience; {
		var now []string
		for _, p := range scene.Marked(t.Token) {
			if p.Part != t.Part {
				continue
			}
			argv := arguments(p)
			exe, _ := os.Readlink(p.Proc("exe"))
			cwd, _ := os.Readlink(p.Proc("cwd"))
			if executes(exe, cwd, argv, program) {
				return &p, nil
			}
			now = append(now, strings.Join(argv, " "))
		}
		if !slices.Equal(now, others) {
			others, changed = now, time.Now()
		}
		if t.Ended(scene.PollInterval) {
			break
		}
	}
	return nil, others
}

// arguments returns the arguments of a process.
func arguments(p scene.Process) (argv []string) {
	data, _ := os.ReadFile(p.Proc("cmdline"))
	for word := range bytes.SplitSeq(bytes.TrimSuffix(data, []byte{0}), []byte{0}) {
		argv = append(argv, string(word))
	}
	return argv
}

// executes reports whether a process executes a program: it is its file, or a link to it, or the script
// that the interpreter received as its first or second argument (execve(2)). Relative paths begin
// at the working directory.
func executes(exe, cwd string, argv []string, program string) bool {
	if exe == program {
		return true
	}
	for i, word := range argv {
		if strings.Contains(word, "/") && !filepath.IsAbs(word) {
			word = filepath.Join(cwd, word)
		}
		if word == program {
			return i <= 2
		}
	}
	return false
}
