package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/lab"
	"github.com/minirun/minirun/internal/lab/course"
	"github.com/minirun/minirun/internal/lab/progress"
	"github.com/minirun/minirun/internal/lab/screen"
)

func startCommand() *cli.Command {
	return &cli.Command{
		Name:      "start",
		Usage:     "start a lab: write its files, ask its questions, show what to do",
		ArgsUsage: "LAB",
		Flags: []cli.Flag{
			cmdline.TextFlag(cli.StringFlag{Name: "seed",
				Usage: "choose the same random values on all machines with this `TEXT`"}),
		},
		Action: func(ctx *cli.Context) error {
			s, out, err := open()
			if err != nil {
				return err
			}
			l, err := s.Course.Find(ctx.Args().First())
			if err != nil {
				return err
			}
			s.Chooser.Seed = ctx.String("seed")
			return start(ctx, s, out, l)
		},
	}
}

func start(ctx *cli.Context, s *lab.Session, out *screen.Screen, l *course.Lab) error {
	if err := needRoot(ctx); err != nil {
		return err
	}
	if err := checkNeeds(out, l.Number, l.Needs); err != nil {
		return err
	}
	running, stop := interruptible()
	defer stop()
	w, err := s.Start(running, l)
	if err != nil {
		return err
	}
	if err := show(s, out, l); err != nil {
		return err
	}
	if err := askPredictions(running, s, out, l); err != nil {
		return err
	}
	out.Print("\nThe files are in %s\nWhen you are done: sudo minirun lab check", w.Dir())
	return nil
}

func showCommand() *cli.Command {
	return &cli.Command{
		Name:      "show",
		Usage:     "show the text of a lab",
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
			return show(s, out, l)
		},
	}
}

// show shows a lab's text with the learner's values.
func show(s *lab.Session, out *screen.Screen, l *course.Lab) error {
	f, err := s.Store.Read()
	if err != nil {
		return err
	}
	values := map[string]string{}
	if p := f.Labs[l.Dir]; p != nil {
		values = p.Values
	}
	t := l.Text(out.Words.Tag)
	var b strings.Builder
	fmt.Fprintf(&b, "# %s. %s\n\n%s\n\n## %s\n\n", l.Number, t.Title, t.Intro, t.Headings[0])
	for i, q := range t.Predict {
		fmt.Fprintf(&b, "%d. %s\n", i+1, q.Text)
		for j, choice := range q.Choices {
			fmt.Fprintf(&b, "   - %c) %s\n", 'a'+j, choice)
		}
	}
	fmt.Fprintf(&b, "\n## %s\n\n%s\n\n## %s\n\n", t.Headings[1], t.Do, t.Headings[3])
	for _, c := range t.Checks {
		fmt.Fprintf(&b, "- %s\n", c)
	}
	return out.Markdown(course.Fill(b.String(), values))
}

func predictCommand() *cli.Command {
	return &cli.Command{
		Name:      "predict",
		Usage:     "answer the questions of the current lab before running it",
		ArgsUsage: "ANSWER…",
		Action: func(ctx *cli.Context) error {
			s, out, err := open()
			if err != nil {
				return err
			}
			l, err := currentLab(s)
			if err != nil {
				return err
			}
			answers := ctx.Args().Slice()
			if err := checkAnswers(l, answers); err != nil {
				return err
			}
			if err := s.Edit(l, func(p *progress.Lab) { p.Predict = answers }); err != nil {
				return err
			}
			out.Print("kept. The kernel will say who is right: do the lab, then minirun lab check")
			return nil
		},
	}
}

// checkAnswers refuses answers that are not choices of the questions.
func checkAnswers(l *course.Lab, answers []string) error {
	t := l.Text("en")
	if len(answers) != len(t.Predict) {
		return fmt.Errorf("lab %s has %d questions, and %d answers were given\nhint: minirun lab predict a b …", l.Number,
			len(t.Predict), len(answers))
	}
	for i, a := range answers {
		if n := len(t.Predict[i].Choices); len(a) != 1 || a[0] < 'a' || int(a[0]-'a') >= n {
			return fmt.Errorf("answer %d: %q is not one of a to %c", i+1, a, 'a'+n-1)
		}
	}
	return nil
}

// askPredictions asks on a terminal what has not been answered. Enter leaves a question open.
func askPredictions(ctx context.Context, s *lab.Session, out *screen.Screen, l *course.Lab) error {
	_, p, err := s.Started(l)
	if err != nil {
		return err
	}
	if len(p.Predict) > 0 {
		return nil
	}
	t := l.Text(out.Words.Tag)
	if !out.IsTerminal() {
		out.Print("\nAnswer the questions first: minirun lab predict a …")
		return nil
	}
	in := bufio.NewReader(os.Stdin)
	var answers []string
	for i, q := range t.Predict {
		for {
			out.Raw(out.Words.Say("\nYour answer to question %d (a to %s, Enter: later): ", i+1,
				string(rune('a'+len(q.Choices)-1))))
			line, err := in.ReadString('\n')
			if err != nil || ctx.Err() != nil || strings.TrimSpace(line) == "" {
				return nil
			}
			answer := strings.ToLower(strings.TrimSpace(line))
			if len(answer) == 1 && answer[0] >= 'a' && int(answer[0]-'a') < len(q.Choices) {
				answers = append(answers, answer)
				break
			}
		}
	}
	return s.Edit(l, func(p *progress.Lab) { p.Predict = answers })
}

func hintCommand() *cli.Command {
	return &cli.Command{
		Name:      "hint",
		Usage:     "show the next hint of a lab; the third is nearly the answer",
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
			level := 0
			err = s.Edit(l, func(p *progress.Lab) {
				p.Hints = min(p.Hints+1, course.HintLevels)
				level = p.Hints
			})
			if err != nil {
				return err
			}
			_, p, err := s.Started(l)
			if err != nil {
				return err
			}
			out.Print("Hint %d of %d", level, course.HintLevels)
			return out.Markdown(course.Fill(l.Text(out.Words.Tag).Hints[level-1], p.Values))
		},
	}
}

func nextCommand() *cli.Command {
	return &cli.Command{
		Name:  "next",
		Usage: "start the lab after the current one",
		Flags: []cli.Flag{cmdline.ToggleFlag(cli.BoolFlag{Name: "fast", Usage: "the next one of the fast track"})},
		Action: func(ctx *cli.Context) error {
			s, out, err := open()
			if err != nil {
				return err
			}
			l, err := s.Current()
			if err != nil {
				return err
			}
			next := s.Course.Labs[0]
			if l != nil {
				next = s.Course.After(l, ctx.Bool("fast"))
			}
			if next == nil {
				out.Print("That was the last lab.")
				return nil
			}
			return start(ctx, s, out, next)
		},
	}
}

func shellCommand() *cli.Command {
	return &cli.Command{
		Name:      "shell",
		Usage:     "open a shell in a lab's directory, where minirun is that of the lab",
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
			w, _, err := s.Started(l)
			if err != nil {
				return err
			}
			shell := os.Getenv("SHELL")
			if shell == "" {
				shell = "/bin/sh"
			}
			path, err := exec.LookPath(shell)
			if err != nil {
				return err
			}
			if err := os.Chdir(w.Dir()); err != nil {
				return err
			}
			out.Print("A shell for lab %s; exit ends it.", l.Number)
			err = unix.Exec(path, []string{shell}, w.Environment())
			return &os.PathError{Op: "exec", Path: path, Err: err}
		},
	}
}
