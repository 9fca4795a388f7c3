package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/lab"
	"github.com/minirun/minirun/internal/lab/course"
	"github.com/minirun/minirun/internal/lab/predicate"
	"github.com/minirun/minirun/internal/lab/screen"
	"github.com/minirun/minirun/internal/messages"
)

var errRuntimeFails = errors.New("the runtime does not pass the checks of this lab")

// checkRuntime checks a runtime of the learner's with the bundles of a lab. It changes no progress: the lab
// may be passed long since, or not be started at all.
func checkRuntime(ctx *cli.Context, s *lab.Session, out *screen.Screen, l *course.Lab) error {
	if ctx.Bool("watch") {
		return cmdline.UsageError(ctx.Command, "--runtime and --watch cannot be combined")
	}
	program, err := findProgram(ctx.String("runtime"))
	if err != nil {
		return err
	}
	if err := needRoot(ctx); err != nil {
		return err
	}
	running, stop := interruptible()
	defer stop()
	r, err := s.CheckRuntime(running, l, program)
	if errors.Is(err, lab.ErrNoRuntimeChecks) {
		err = fmt.Errorf("--runtime: %w\nhint: labs for it: %s", err, strings.Join(runtimeLabs(s.Course), ", "))
		return messages.NewFailure(err, predicate.NothingToDecide)
	}
	if err != nil {
		return err
	}
	text := l.Text(out.Words.Tag).Fill(r.Values)
	if ctx.Bool("json") {
		if err := writeReport(out, l.Number, text, r); err != nil {
			return err
		}
	} else {
		out.Report(text, r)
	}
	if !r.Passed() {
		return messages.NewFailure(errRuntimeFails, failedStatus)
	}
	return nil
}

// findProgram returns the absolute path of a program.
func findProgram(word string) (string, error) {
	path, err := exec.LookPath(word)
	if err == nil {
		return filepath.Abs(path)
	}
	hint := "a program of this directory: --runtime ./mine"
	if errors.Is(err, fs.ErrPermission) {
		hint = "chmod +x " + word
	}
	return "", fmt.Errorf("--runtime %q: %w\nhint: %s", word, errors.Unwrap(err), hint)
}

// runtimeLabs returns the numbers of the labs that --runtime can check.
func runtimeLabs(c *course.Course) (numbers []string) {
	for _, l := range c.Labs {
		if l.Runtime != nil {
			numbers = append(numbers, l.Number)
		}
	}
	return numbers
}
