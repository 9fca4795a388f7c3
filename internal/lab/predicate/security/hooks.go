package security

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/lab/scene"
	"github.com/minirun/minirun/internal/lab/words"
)

// hooks takes a copy of a bundle through a whole life, and asks what its hooks have written after each
// command. Each hook appends a line with its name to a file.
type hooks struct {
	Bundle string   `yaml:"bundle"`
	Log    string   `yaml:"log"` // the file, in a directory of the learner's
	Create []string `yaml:"create"`
	Start  []string `yaml:"start"`
	Kill   []string `yaml:"kill"`
	Delete []string `yaml:"delete"`
}

// A life is one container of a trial, which other commands than run control.
type life struct {
	scene *scene.Scene
	id    string
	part  string
	// What is written into the one directory goes to the other.
	log, instead string
}

func (q *hooks) Holds(ctx context.Context, s *scene.Scene) (*scene.Failure, error) {
	l := life{scene: s, id: "trial-" + s.Values["token"], part: scene.NewTrialPart(),
		log: filepath.Join(s.Dir, filepath.Dir(q.Log)), instead: filepath.Join(s.Work, filepath.Dir(q.Log))}
	if _, err := scene.StatBelow(s.Dir, filepath.Dir(q.Log)); err != nil {
		return scene.Fail(words.New("the file %s", filepath.Dir(q.Log)), words.New("%v", err), "ls -l")
	}
	if err := errors.Join(os.RemoveAll(l.instead), os.MkdirAll(l.instead, 0o755)); err != nil {
		return nil, err
	}
	dir, err := s.CopyBundle(q.Bundle, l.part, nil)
	if err != nil {
		return nil, err
	}
	defer l.end()
	var before []string
	for _, step := range []struct {
		words, want []string
	}{
		{[]string{"create", "--bundle", dir, l.id}, q.Create},
		{[]string{"start", l.id}, q.Start},
		{[]string{"kill", l.id, "KILL"}, q.Kill},
		{[]string{"delete", l.id}, q.Delete},
	} {
		command := step.words[0]
		running := l.processes()
		output, failed := l.run(ctx, step.words)
		if failed != nil {
			return scene.Fail(words.New("%s succeeds", command), words.New("%s", scene.Shorten(output)), "./minirun %s", command)
		}
		if command == "kill" {
			wait(ctx, running)
		}
		all := readLines(filepath.Join(l.instead, filepath.Base(q.Log)))
		if now := added(before, all); !slices.Equal(now, step.want) {
			return scene.Fail(words.New("%s adds these lines to %s: %q", command, q.Log, step.want), words.New("%q", now),
				"grep -A 30 hooks %s", filepath.Join(q.Bundle, "config.json"))
		}
		before = all
	}
	return nil, nil
}

// run runs one command of the runtime, in a mount namespace in which the learner's directory for the log
// is another one. The container's mounts come from that namespace as well.
func (l *life) run(ctx context.Context, command []string) (output string, err error) {
	const script = `mount --bind "$0" "$1" && shift && exec "$@"`
	words := slices.Concat([]string{"-c", script, l.instead, l.log}, l.scene.Runtime, command)
	ctx, cancel := context.WithTimeout(ctx, scene.StartPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/bin/sh", words...)
	cmd.Dir, cmd.Env = l.scene.Dir, l.scene.Env
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS}
	// A file, since the container keeps the descriptors: the end of a pipe would not come.
	f, err := os.CreateTemp(l.scene.Work, "output-")
	if err != nil {
		return "", err
	}
	defer f.Close()
	cmd.Stdout, cmd.Stderr = f, f
	err = cmd.Run()
	data, _ := os.ReadFile(f.Name()) // what is missing is only missing in a message
	return strings.TrimSpace(string(data)), err
}

// processes returns the container's processes that have executed their program.
func (l *life) processes() []scene.Process {
	return slices.DeleteFunc(scene.Marked(l.scene.Values["token"]), func(p scene.Process) bool { return p.Part != l.part })
}

// wait waits until processes are gone or zombies. While they die they have no environment any more, but
// for the runtime they still run.
func wait(ctx context.Context, processes []scene.Process) {
	ctx, cancel := context.WithTimeout(ctx, scene.StartPatience)
	defer cancel()
	for _, p := range processes {
		for ctx.Err() == nil && isAlive(scene.ReadStatus(p.Proc("status"))) {
			time.Sleep(scene.PollInterval)
		}
	}
}

// isAlive reports whether the status is that of a process that is neither gone nor a zombie.
func isAlive(status map[string]string) bool {
	state := status["State"]
	return state != "" && !strings.HasPrefix(state, "Z") && !strings.HasPrefix(state, "X")
}

// end removes the container, however far it came.
func (l *life) end() {
	_, _ = l.run(context.Background(), []string{"delete", "--force", l.id}) // usually it does not exist any more
}

// readLines returns the lines of a file without empty ones, none if it does not exist.
func readLines(path string) (lines []string) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	for line := range bytes.Lines(text) {
		if word := strings.TrimSpace(string(line)); word != "" {
			lines = append(lines, word)
		}
	}
	return lines
}

// added returns what was added to lines, or all of them if they are no longer the same.
func added(before, now []string) []string {
	if len(now) >= len(before) && slices.Equal(now[:len(before)], before) {
		return now[len(before):]
	}
	return now
}
