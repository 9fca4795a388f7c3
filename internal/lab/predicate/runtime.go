package predicate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/lab/scene"
	"github.com/minirun/minirun/internal/lab/words"
)

// passes asks whether a runtime of the learner's passes the checks of another lab: check --runtime.
type passes struct {
	Program string `yaml:"program"` // a file in the learner's directory
	Lab     string `yaml:"lab"`
}

// NothingToDecide is the exit status of check --runtime for a lab of which a runtime can decide nothing.
const NothingToDecide = 3

func (q *passes) Holds(ctx context.Context, s *scene.Scene) (*scene.Failure, error) {
	program := filepath.Join(s.Dir, q.Program)
	expected := words.New("%s passes the checks of lab %s that a runtime can decide", q.Program, q.Lab)
	look := "sudo minirun lab check " + q.Lab + " --runtime ./" + q.Program
	if err := unix.Access(program, unix.X_OK); err != nil {
		return scene.Fail(expected, words.New("%s is not a program: %v", q.Program, err), "ls -l %s", q.Program)
	}
	cmd := exec.CommandContext(ctx, s.Minirun[0], "lab", "check", q.Lab, "--runtime", program, "--json")
	cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var exited *exec.ExitError
	if err != nil && !errors.As(err, &exited) {
		return nil, err
	}
	if exited != nil && exited.ExitCode() == NothingToDecide {
		return nil, &scene.Skipped{Reason: words.New("a runtime can decide nothing of lab %s", q.Lab)}
	}
	if err == nil {
		return nil, nil
	}
	return scene.Fail(expected, words.New("%s", firstFailure(out, stderr.String())), "%s", look)
}

// firstFailure returns what the first failed check found in the output of check --json, or else the error.
func firstFailure(out []byte, message string) string {
	var report struct {
		Checks []struct {
			Text, Found, Skipped string
			Holds                bool
		}
	}
	if err := json.Unmarshal(out, &report); err == nil {
		for _, c := range report.Checks {
			if !c.Holds && c.Skipped == "" {
				return c.Text + ": " + c.Found
			}
		}
	}
	return strings.TrimSpace(message)
}

// lines asks how long programs of the learner's are, without blank lines and comments.
type lines struct {
	Files []string `yaml:"files"` // those that exist
	Most  int      `yaml:"most"`
}

func (q *lines) Holds(_ context.Context, s *scene.Scene) (*scene.Failure, error) {
	for _, name := range q.Files {
		text, err := scene.ReadLearnerFile(s, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if n := countCode(text); n > q.Most {
			return scene.Fail(words.New("%s has at most %d lines of code", name, q.Most), words.New("%d lines", n),
				"grep -cvE '^\\s*(//.*|#.*)?$' %s", name)
		}
	}
	return nil, nil
}

func countCode(text string) (n int) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "//") {
			n++
		}
	}
	return n
}

// explained asks whether the learner has found the reason of each difference between minirun and another
// runtime, which minirun compare finds in the kernel's facts about two containers.
type explained struct {
	Bundle  string            `yaml:"bundle"`
	With    string            `yaml:"with"`    // the other runtime
	File    string            `yaml:"file"`    // the learner's lines FACT = LETTER
	Reasons map[string]string `yaml:"reasons"` // the facts that a letter explains: mount /proc/*
	Must    []string          `yaml:"must"`    // letters of differences that the bundle must still have
}

func (q *explained) Holds(ctx context.Context, s *scene.Scene) (*scene.Failure, error) {
	if _, err := exec.LookPath(q.With); err != nil {
		return nil, &scene.Skipped{Reason: words.New("%s is not installed", q.With)}
	}
	text, err := scene.ReadLearnerFile(s, q.File)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	args := []string{"compare", "--with", q.With, "--rounds", "1", "--format", "json", filepath.Join(s.Dir, q.Bundle)}
	cmd := exec.CommandContext(ctx, s.Minirun[0], args...)
	cmd.Dir, cmd.Env = s.Work, os.Environ()
	cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output() // the status only says whether compare knows all reasons
	var exited *exec.ExitError
	if err != nil && !errors.As(err, &exited) {
		return nil, err
	}
	look := fmt.Sprintf("minirun compare --with %s %s", q.With, q.Bundle)
	var report struct{ Differences []difference }
	if json.Unmarshal(out, &report) != nil {
		message := scene.Shorten(strings.TrimSpace(stderr.String()))
		return scene.Fail(words.New("both runtimes start %s", q.Bundle), words.New("%s", message), "%s", look)
	}
	return q.judge(parseAnswers(text), report.Differences, look)
}

// A difference is a fact that differs, as minirun compare shows it.
type difference struct{ Fact, Left, Right string }

// judge compares the learner's answers to the differences.
func (q *explained) judge(answers map[string]string, found []difference, look string) (*scene.Failure, error) {
	seen := map[string]bool{}
	for _, d := range found {
		letter := matching(q.Reasons, d.Fact)
		if letter == "" { // a difference that the lab does not know
			continue
		}
		seen[letter] = true
		expected := words.New("the reason of the difference %q: %s", d.Fact, d.Left+" | "+d.Right)
		switch answer := answerTo(answers, d.Fact); answer {
		case letter:
		case "":
			return scene.Fail(expected, words.New("no line in %s for it", q.File), "%s", look)
		default:
			return scene.Fail(expected, words.New("%s, which is not the reason", answer), "%s", look)
		}
	}
	for _, letter := range q.Must {
		if !seen[letter] {
			return scene.Fail(words.New("a bundle that still has the difference %s", q.Reasons[letter]),
				words.New("the changed config.json does not have it any more"), "%s", look)
		}
	}
	return nil, nil
}

// matching returns the letter whose pattern fits a fact.
func matching(reasons map[string]string, fact string) string {
	for _, letter := range slices.Sorted(maps.Keys(reasons)) {
		if fits(reasons[letter], fact) {
			return letter
		}
	}
	return ""
}

// fits reports whether a pattern is a fact, or ends in * and is the beginning of one.
func fits(pattern, fact string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(fact, prefix)
	}
	same, err := path.Match(pattern, fact)
	return err == nil && same
}

// parseAnswers parses lines FACT = LETTER. A # begins a comment.
func parseAnswers(text string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		fact, letter, ok := strings.Cut(line, "=")
		if ok {
			out[strings.Join(strings.Fields(fact), " ")] = strings.ToLower(strings.Trim(strings.TrimSpace(letter), ")"))
		}
	}
	return out
}

// answerTo returns the learner's answer to a fact: that of the longest pattern that fits.
func answerTo(answers map[string]string, fact string) (letter string) {
	longest := -1
	for pattern, answer := range answers {
		if len(pattern) > longest && fits(pattern, fact) {
			longest, letter = len(pattern), answer
		}
	}
	return letter
}
