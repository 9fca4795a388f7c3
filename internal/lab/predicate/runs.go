package predicate

import (
	"bytes"
	"context"
	"os"
	"slices"
	"strings"
	"time"

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

// programPatience is how long a container may take until its program is executed.
const programPatience = 3 * time.Second

func (q *runs) Holds(ctx context.Context, s *Scene) (*Failure, error) {
	t, err := s.Try(ctx, q.Bundle)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	expected := words.New("%s executes %s", q.Bundle, q.Program)
	look := "./minirun run " + q.Bundle
	if t.Process(ctx) == nil {
		return fail(expected, words.New("%s", shorten(t.Output())), "%s", look)
	}
	p, others := t.executing(q.Program)
	if p == nil {
		if output := t.Output(); output != "" || len(others) == 0 {
			return fail(expected, words.New("%s", shorten(output)), "%s", look)
		}
		return fail(expected, words.New("it executes %s", strings.Join(others, "; ")), "%s", look)
	}
	if uid, _, _ := strings.Cut(p.Status["Uid"], " "); q.User != "" && uid != q.User {
		return fail(words.New("%s runs as user %s", q.Bundle, q.User), words.New("user %s", uid), "%s; ./minirun ps", look)
	}
	if q.Cwd == "" {
		return nil, nil
	}
	cwd, err := os.Readlink(p.Proc("cwd"))
	if err != nil {
		return nil, err
	}
	if cwd != q.Cwd {
		return fail(words.New("%s runs in the directory %s", q.Bundle, q.Cwd), words.New("%s", cwd), "%s", look)
	}
	return nil, nil
}

// executing waits for a process of the trial that executes a program. If there is none, it returns the
// command lines of those that were there last.
func (t *Trial) executing(program string) (p *Process, others []string) {
	for deadline := time.Now().Add(programPatience); time.Now().Before(deadline); {
		var now []string
		for _, p := range Marked(t.token) {
			if p.Part != t.part {
				continue
			}
			argv := arguments(p)
			exe, _ := os.Readlink(p.Proc("exe"))
			if executes(exe, argv, program) {
				return &p, nil
			}
			now = append(now, strings.Join(argv, " "))
		}
		if len(now) > 0 {
			others = now
		}
		if t.Ended(pollInterval) {
			break
		}
	}
	return nil, others
}

// arguments returns the arguments of a process.
func arguments(p Process) (argv []string) {
	data, _ := os.ReadFile(p.Proc("cmdline"))
	for word := range bytes.SplitSeq(bytes.TrimSuffix(data, []byte{0}), []byte{0}) {
		argv = append(argv, string(word))
	}
	return argv
}

// executes reports whether a process executes a program: it is its file, or the script that the
// interpreter received after at most one argument of its own (execve(2)).
func executes(exe string, argv []string, program string) bool {
	if exe == program {
		return true
	}
	i := slices.Index(argv, program)
	return i == 1 || i == 2
}
