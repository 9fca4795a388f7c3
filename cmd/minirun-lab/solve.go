package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/lab"
	"github.com/minirun/minirun/internal/lab/course"
	"github.com/minirun/minirun/internal/lab/progress"
)

func solveCommand() *cli.Command {
	return &cli.Command{
		Name:      "solve",
		Usage:     "show the reference solution of a lab and run it; the lab is marked as seen",
		ArgsUsage: "[LAB]",
		Action: func(ctx *cli.Context) error {
			s, out, err := open()
			if err != nil {
				return err
			}
			l, err := chosenLab(s, ctx)
			if err != nil {
				return err
			}
			if err := needRoot(ctx); err != nil {
				return err
			}
			running, stop := interruptible()
			defer stop()
			w, err := s.Start(running, l)
			if err != nil {
				return err
			}
			if err := s.Edit(l, func(p *progress.Lab) { s.Store.Mark(l.Dir, p, progress.Seen, p.Started) }); err != nil {
				return err
			}
			v := l.Solution()
			script, err := w.Script(v)
			if err != nil {
				return err
			}
			for line := range strings.Lines(script) {
				out.Raw("  " + line)
			}
			if err := w.Apply(v); err != nil {
				return err
			}
			output, err := w.Run(running, script)
			out.Raw(output)
			if err != nil {
				return fmt.Errorf("the reference solution: %w", err)
			}
			out.Print("\nThat was the reference solution. Check it: sudo minirun lab check %s", l.Number)
			return nil
		},
	}
}

func resetCommand() *cli.Command {
	return &cli.Command{
		Name:      "reset",
		Usage:     "bring a lab back into its start state; changed files are kept as .bak",
		ArgsUsage: "[LAB]",
		Flags: []cli.Flag{cmdline.ToggleFlag(cli.BoolFlag{Name: "all",
			Usage: "all labs: remove everything of them except changed files and the progress"})},
		Action: func(ctx *cli.Context) error {
			s, out, err := open()
			if err != nil {
				return err
			}
			if err := needRoot(ctx); err != nil {
				return err
			}
			if ctx.Bool("all") {
				if ctx.NArg() > 0 {
					return cmdline.UsageError(ctx.Command, "--all and a lab cannot be combined")
				}
				return resetAll(s)
			}
			l, err := chosenLab(s, ctx)
			if err != nil {
				return err
			}
			if _, _, err := s.Started(l); err != nil {
				return err
			}
			running, stop := interruptible()
			defer stop()
			if _, err := s.Start(running, l); err != nil {
				return err
			}
			out.Print("Lab %s is in its start state.", l.Number)
			return nil
		},
	}
}

func resetAll(s *lab.Session) error {
	running, stop := interruptible()
	defer stop()
	f, err := s.Store.Read()
	if err != nil {
		return err
	}
	for _, l := range s.Course.Labs {
		if p := f.Labs[l.Dir]; p != nil {
			if err := s.Workspace(l, p.Values).Leave(running); err != nil {
				return fmt.Errorf("lab %s: %w", l.Number, err)
			}
		}
	}
	return s.RemoveAbandoned(running)
}

func testCommand() *cli.Command {
	return &cli.Command{
		Name:      "test",
		Usage:     "prove that labs work: start state, reference solution, wrong solutions, spoofs, reset",
		ArgsUsage: "[LAB|DIR]…",
		Action: func(ctx *cli.Context) error {
			s, out, err := open()
			if err != nil {
				return err
			}
			if err := needRoot(ctx); err != nil {
				return err
			}
			labs, err := chosenLabs(s, ctx, func(word string) (*course.Lab, error) { return findOrRead(s, word) })
			if err != nil {
				return err
			}
			running, stop := interruptible()
			defer stop()
			var failed []string
			for _, l := range labs {
				if err := s.Test(running, l, out.Out); err != nil {
					failed = append(failed, l.Dir)
				}
			}
			if len(failed) > 0 {
				return fmt.Errorf("labs that do not work: %s", strings.Join(failed, ", "))
			}
			return nil
		},
	}
}

// findOrRead returns the lab of a word, or the one in a directory.
func findOrRead(s *lab.Session, word string) (*course.Lab, error) {
	if strings.ContainsRune(word, '/') {
		return course.ReadDir(word)
	}
	return s.Course.Find(word)
}
