package images

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/minirun/minirun/internal/lab/scene"

	"golang.org/x/sys/unix"
)

// commandPatience is how long a command of minirun may take in a check.
const commandPatience = time.Minute

// A refused command is one that ended with an error: the learner's Dockerfile or image has a mistake.
type refused struct {
	command, output string
}

func (e *refused) Error() string { return e.command + ": " + e.output }

// minirun runs a command of the lab's minirun and returns what it writes to standard output. Builds are
// not in the learner's history.
func minirun(ctx context.Context, s *scene.Scene, args ...string) (string, error) {
	return minirunIn(ctx, s, nil, args...)
}

func minirunIn(ctx context.Context, s *scene.Scene, env []string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, commandPatience)
	defer cancel()
	words := slices.Concat(s.Minirun, args)
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Dir = s.Dir
	cmd.Env = slices.Concat(s.Env, []string{"MINIRUN_BUILD_HISTORY=0"}, env)
	cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exited *exec.ExitError
	if errors.As(err, &exited) && ctx.Err() == nil {
		return stdout.String(), &refused{"minirun " + args[0], errorLine(stderr.String())}
	}
	if err != nil {
		return "", fmt.Errorf("minirun %s: %w", args[0], err)
	}
	return stdout.String(), nil
}

// errorLine returns the error at the end of a command's output, without the program's name and the hint.
func errorLine(text string) string {
	const program = "minirun: "
	text = "\n" + strings.TrimSpace(text)
	if i := strings.LastIndex(text, "\n"+program); i >= 0 {
		text, _, _ = strings.Cut(text[i+1+len(program):], "\n")
	}
	return scene.Shorten(strings.TrimSpace(text))
}

// random returns hexadecimal digits for names and texts that a learner cannot know before.
func random() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // it never fails: crypto/rand's documentation
	return hex.EncodeToString(b[:])
}

// trialImage runs an image once, without a network, and returns what it prints.
func trialImage(ctx context.Context, s *scene.Scene, name string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, scene.StartPatience)
	defer cancel()
	id := "lab-check-" + random()
	defer removeTrial(context.WithoutCancel(ctx), s, id)
	return minirun(ctx, s, "run", "--rm", "--name", id, "--network", "none", "-e", trialMark(s), name)
}

// trialMark is the mark of containers that a check starts.
func trialMark(s *scene.Scene) string {
	return scene.MarkVariable + "=" + scene.Mark(s.Values["token"], "trial")
}

// removeTrial removes a container of a check, which may not exist any more.
func removeTrial(ctx context.Context, s *scene.Scene, id string) {
	_, _ = minirun(ctx, s, "rm", "-f", id)
}

// A trialBuild builds a copy of a directory of the learner, whose files the check may change.
type trialBuild struct {
	scene *scene.Scene
	dir   string
	tag   string
}

// copyContext copies a directory of the learner for a build.
func copyContext(s *scene.Scene, dir string) (*trialBuild, error) {
	root, err := os.OpenRoot(filepath.Join(s.Dir, dir))
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	b := &trialBuild{scene: s, dir: filepath.Join(s.Work, "context-"+random()), tag: "lab-check-" + random()}
	return b, os.CopyFS(b.dir, root.FS())
}

// build builds the copy as it is now. Other arguments of the command may be given.
func (b *trialBuild) build(ctx context.Context, args ...string) (stdout string, err error) {
	words := slices.Concat([]string{"build", "--progress", "plain", "-t", b.tag}, args, []string{b.dir})
	return minirun(ctx, b.scene, words...)
}

// image returns the image that was built last.
func (b *trialBuild) image(ctx context.Context) (*platformImage, error) {
	a, err := export(ctx, b.scene, b.tag)
	if err != nil {
		return nil, err
	}
	all, err := a.images()
	if err == nil && len(all) == 0 {
		err = errors.New("the archive has no image")
	}
	if err != nil {
		return nil, err
	}
	return &all[0], nil
}

// replace replaces a text in a file of the copy. It reports whether the file has the text.
func (b *trialBuild) replace(file, old, text string) (bool, error) {
	data, err := scene.ReadBelow(b.dir, file)
	if errors.Is(err, os.ErrNotExist) || err == nil && !strings.Contains(data, old) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, os.WriteFile(filepath.Join(b.dir, file), []byte(strings.ReplaceAll(data, old, text)), 0o644)
}

// close removes the image.
func (b *trialBuild) close(ctx context.Context) {
	_, _ = minirun(context.WithoutCancel(ctx), b.scene, "rmi", b.tag)
}
