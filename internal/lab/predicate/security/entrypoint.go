package security

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/lab/scene"
	"github.com/minirun/minirun/internal/lab/words"
)

// entrypoint runs a container from an image of the learner's as `minirun run IMAGE` does, without arguments,
// and asks what became process 1.
type entrypoint struct {
	Image     string        `yaml:"image"`
	Program   string        `yaml:"program"`   // the base name of process 1's program or script …
	Arguments []string      `yaml:"arguments"` // … and its arguments
	Stops     time.Duration `yaml:"stops"`     // it ends within this time after SIGTERM
	File      string        `yaml:"file"`      // a file in the image …
	Is        string        `yaml:"is"`        // … and its text, without space around it
}

// settlePatience is how long process 1 of a trial may take until it has executed its last program, or until
// it handles a signal.
const settlePatience = 2 * time.Second

// settledPolls is after how many looks in a row a process that sleeps is taken to have nothing left to do.
const settledPolls = 30

// settle calls a function until it returns true. It gives up when the process has settled, or is gone.
func settle(p *scene.Process, done func() bool) bool {
	deadline, sleeping := time.Now().Add(settlePatience), 0
	for sleeping < settledPolls && time.Now().Before(deadline) {
		if done() {
			return true
		}
		time.Sleep(scene.PollInterval)
		sleeping++
		if !strings.HasPrefix(scene.ReadStatus(p.Proc("status"))["State"], "S") {
			sleeping = 0
		}
	}
	return done()
}

func (e *entrypoint) Holds(ctx context.Context, s *scene.Scene) (*scene.Failure, error) {
	t, remove, err := tryImage(ctx, s, e.Image)
	if err != nil {
		return nil, err
	}
	defer remove()
	p := t.Process(ctx)
	if p == nil {
		return scene.Fail(words.New("a container from the image %s starts and runs on", e.Image),
			words.New("%s", scene.Shorten(strings.TrimSpace(t.Output()))), "./minirun run --rm %s", e.Image)
	}
	switch {
	case e.Program != "":
		return e.runs(p)
	case e.File != "":
		return e.hasFile(p)
	}
	return e.stops(t, p)
}

// tryImage starts a container from an image. The returned function removes it.
func tryImage(ctx context.Context, s *scene.Scene, image string) (*scene.Trial, func(), error) {
	name := "trial-" + s.Values["token"]
	part := scene.NewTrialPart()
	t, err := s.StartTrial(ctx, part, slices.Concat(s.Minirun, []string{"run", "--rm", "--pull", "never",
		"--network", "none", "--name", name, "--env", scene.MarkVariable + "=" + scene.Mark(s.Values["token"], part), image}))
	if err != nil {
		return nil, nil, err
	}
	return t, func() {
		t.Close()
		// It is usually gone by --rm. The next trial reports it if it is not.
		words := slices.Concat(s.Minirun, []string{"rm", "-f", name})
		_ = exec.CommandContext(context.WithoutCancel(ctx), words[0], words[1:]...).Run()
	}, nil
}

// runs waits until process 1 is the program with the arguments.
func (e *entrypoint) runs(p *scene.Process) (*scene.Failure, error) {
	var found []string
	isRight := settle(p, func() bool {
		if data, err := os.ReadFile(p.Proc("cmdline")); err == nil && len(data) > 0 { // else it is gone
			found = splitArguments(data)
		}
		return isProgram(found, e.Program, e.Arguments)
	})
	if isRight {
		return nil, nil
	}
	return scene.Fail(words.New("process 1 is %s with the arguments %q", e.Program, e.Arguments), words.New("%q", found),
		"./minirun run --rm %s; ./minirun top NAME", e.Image)
}

// splitArguments splits what /proc/PID/cmdline has.
func splitArguments(data []byte) (found []string) {
	for word := range bytes.SplitSeq(bytes.TrimSuffix(data, []byte{0}), []byte{0}) {
		found = append(found, string(word))
	}
	return found
}

// isProgram reports whether an argument vector is that of a program with arguments. A script's has its
// interpreter first (execve(2)).
func isProgram(argv []string, program string, arguments []string) bool {
	for skip := range 2 {
		if len(argv) > skip && path.Base(argv[skip]) == program && slices.Equal(argv[skip+1:], arguments) {
			return true
		}
	}
	return false
}

func (e *entrypoint) hasFile(p *scene.Process) (*scene.Failure, error) {
	text, err := scene.ReadBelow(p.Proc("root"), e.File)
	if err != nil {
		return scene.Fail(words.New("the image %s has the file %s", e.Image, e.File), words.New("%v", err),
			"./minirun run --rm --entrypoint ls %s -l %s", e.Image, e.File)
	}
	if found := strings.TrimSpace(text); found != strings.TrimSpace(e.Is) {
		return scene.Fail(words.New("%s contains exactly %q", e.File, e.Is), words.New("%q", scene.Shorten(found)),
			"./minirun run --rm --entrypoint cat %s %s", e.Image, e.File)
	}
	return nil, nil
}

func (e *entrypoint) stops(t *scene.Trial, p *scene.Process) (*scene.Failure, error) {
	settle(p, func() bool { return handles(scene.ReadStatus(p.Proc("status")), unix.SIGTERM) }) // or it has no handler
	if err := unix.Kill(p.PID, unix.SIGTERM); err != nil {
		return nil, fmt.Errorf("send SIGTERM to process %d: %w", p.PID, err)
	}
	if !t.Ended(e.Stops) {
		return scene.Fail(words.New("process 1 ends within %v after %s", e.Stops, "SIGTERM"), words.New("it still runs"),
			"grep Sig /proc/PID/status")
	}
	return nil, nil
}

// handles reports whether a process has a handler for a signal (SigCgt in proc_pid_status(5)).
func handles(status map[string]string, signal unix.Signal) bool {
	caught, err := strconv.ParseUint(status["SigCgt"], 16, 64)
	return err == nil && caught&(1<<(signal-1)) != 0
}
