package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/helper"
	"github.com/minirun/minirun/internal/lab"
	"github.com/minirun/minirun/internal/lab/course"
	"github.com/minirun/minirun/internal/lab/screen"
	"github.com/minirun/minirun/internal/lab/words"
	"github.com/minirun/minirun/internal/language"
	"github.com/minirun/minirun/labs"
)

// coursesVariable names a directory with labs in place of the embedded ones: a teacher's.
const coursesVariable = "MINIRUN_LAB_COURSE"

// open returns the session of the caller and the screen in the caller's language.
func open() (*lab.Session, *screen.Screen, error) {
	p, err := words.NewPrinter(language.Current())
	if err != nil {
		return nil, nil, err
	}
	var files fs.FS = labs.FS
	if dir := os.Getenv(coursesVariable); dir != "" {
		files = os.DirFS(dir)
	}
	c, err := course.Read(files)
	if err != nil {
		return nil, nil, err
	}
	if len(c.Labs) == 0 {
		return nil, nil, fmt.Errorf("%s: there are no labs", os.Getenv(coursesVariable))
	}
	program, err := helper.Runtime()
	if err != nil {
		return nil, nil, err
	}
	s, err := lab.NewSession(c, program)
	return s, screen.New(os.Stdout, p), err
}

// chosenLab returns the lab that the first argument names, or else the one that was started last.
func chosenLab(s *lab.Session, ctx *cli.Context) (*course.Lab, error) {
	if word := ctx.Args().First(); word != "" {
		return s.Course.Find(word)
	}
	return currentLab(s)
}

// currentLab returns the lab that was started last. It is an error if none was.
func currentLab(s *lab.Session) (*course.Lab, error) {
	l, err := s.Current()
	if err == nil && l == nil {
		err = errors.New("no lab is started\nhint: minirun lab start 1")
	}
	return l, err
}

// chosenLabs returns the labs that the arguments name, or else all.
func chosenLabs(s *lab.Session, ctx *cli.Context, find func(word string) (*course.Lab, error)) ([]*course.Lab, error) {
	if ctx.NArg() == 0 {
		return s.Course.Labs, nil
	}
	var chosen []*course.Lab
	for _, word := range ctx.Args().Slice() {
		l, err := find(word)
		if err != nil {
			return nil, err
		}
		chosen = append(chosen, l)
	}
	return chosen, nil
}

// needRoot refuses what only root can do: labs have containers with limits, layers and networks.
func needRoot(ctx *cli.Context) error {
	if os.Geteuid() == 0 {
		return nil
	}
	return fmt.Errorf("lab %s needs root\nhint: sudo minirun lab %[1]s%s", ctx.Command.Name, below(ctx))
}

func below(ctx *cli.Context) string {
	if word := ctx.Args().First(); word != "" {
		return " " + word
	}
	return ""
}

// interruptible returns a context that ends with a signal: what was begun is then cleaned up.
func interruptible() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
}
