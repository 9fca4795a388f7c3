package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/lab"
	"github.com/minirun/minirun/internal/lab/course"
	"github.com/minirun/minirun/internal/lab/predicate"
	"github.com/minirun/minirun/internal/lab/progress"
	"github.com/minirun/minirun/internal/lab/screen"
	"github.com/minirun/minirun/internal/lab/workspace"
	"github.com/minirun/minirun/internal/messages"
	"github.com/minirun/minirun/internal/termtext"
)

func checkCommand() *cli.Command {
	return &cli.Command{
		Name:      "check",
		Usage:     "ask the kernel whether a lab is solved",
		ArgsUsage: "[LAB]",
		Flags: []cli.Flag{
			cmdline.ToggleFlag(cli.BoolFlag{Name: "watch", Aliases: []string{"w"},
				Usage: "check again each second until everything holds"}),
			cmdline.TextFlag(cli.StringFlag{Name: "runtime",
				Usage: "check `PROGRAM`, a runtime of your own: the check runs PROGRAM run BUNDLE"}),
			jsonFlag(),
		},
		Action: func(ctx *cli.Context) error {
			s, out, err := open()
			if err != nil {
				return err
			}
			l, err := chosenLab(s, ctx)
			if errors.Is(err, course.ErrNoLab) && ctx.IsSet("runtime") {
				return messages.NewFailure(err, predicate.NothingToDecide)
			}
			if err != nil {
				return err
			}
			if ctx.IsSet("runtime") {
				return checkRuntime(ctx, s, out, l)
			}
			w, _, err := s.Started(l)
			if err != nil {
				return err
			}
			if err := needRoot(ctx); err != nil {
				return err
			}
			running, stop := interruptible()
			defer stop()
			return check(running, s, out, w, options{ctx.Bool("watch"), ctx.Bool("json")})
		},
	}
}

type options struct{ watch, json bool }

// failedStatus is the exit status of a check that does not hold.
const failedStatus = 1

var errNotSolved = errors.New("the lab is not solved yet\nhint: minirun lab hint")

func check(ctx context.Context, s *lab.Session, out *screen.Screen, w *workspace.Workspace, o options) error {
	r, err := s.Check(ctx, w)
	for last := ""; err == nil && o.watch && !r.Passed(); r, err = s.Check(ctx, w) {
		if now := fmt.Sprint(r.Results); now != last && !o.json {
			out.Report(w.Text(out.Words.Tag), r)
			fmt.Fprintln(out.Out)
			last = now
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
	if err != nil {
		return err
	}
	if err := s.Record(w.Lab, r); err != nil {
		return err
	}
	if o.json {
		if err := writeReport(out, w.Lab.Number, w.Text(out.Words.Tag), r); err != nil {
			return err
		}
	} else {
		out.Report(w.Text(out.Words.Tag), r)
	}
	if !r.Passed() {
		return messages.NewFailure(errNotSolved, failedStatus)
	}
	if o.json {
		return nil
	}
	return explain(ctx, s, out, w)
}

// A jsonCheck is a check as --json shows it.
type jsonCheck struct {
	ID       string `json:"id"`
	Text     string `json:"text"`
	Holds    bool   `json:"holds"`
	Skipped  string `json:"skipped,omitempty"` // why it was not asked
	Expected string `json:"expected,omitempty"`
	Found    string `json:"found,omitempty"`
	Look     string `json:"look,omitempty"`
}

func writeReport(out *screen.Screen, number string, text *course.Text, r *lab.Report) error {
	report := struct {
		Lab    string      `json:"lab"`
		Passed bool        `json:"passed"`
		Checks []jsonCheck `json:"checks"`
	}{number, r.Passed(), nil}
	for i, one := range r.Results {
		skipped := one.Skipped.Format != ""
		c := jsonCheck{ID: one.ID, Text: text.Checks[i], Holds: one.Failure == nil && !skipped}
		if skipped {
			c.Skipped = out.Words.Text(one.Skipped)
		}
		if f := one.Failure; f != nil {
			c.Expected, c.Found, c.Look = out.Words.Text(f.Expected), out.Words.Text(f.Found), f.Look
		}
		report.Checks = append(report.Checks, c)
	}
	return termtext.WriteJSON(os.Stdout, report)
}

// explain shows after success what the learner predicted, and what happened.
func explain(ctx context.Context, s *lab.Session, out *screen.Screen, w *workspace.Workspace) error {
	_, p, err := s.Started(w.Lab)
	if err != nil {
		return err
	}
	out.Print("\nLab %s is solved.", w.Lab.Number)
	t := w.Text(out.Words.Tag)
	comparePredictions(out, w.Lab, t, p)
	text, err := evidence(ctx, w, t.Explain)
	if err != nil {
		return err
	}
	if err := out.Markdown("## " + t.Headings[4] + "\n\n" + text); err != nil {
		return err
	}
	if next := s.Course.After(w.Lab, false); next != nil {
		out.Print("\nNext: sudo minirun lab start %s (%s)", next.Number, next.Text(out.Words.Tag).Title)
	}
	return nil
}

func comparePredictions(out *screen.Screen, l *course.Lab, t *course.Text, p *progress.Lab) {
	for i, q := range t.Predict {
		right := q.Choices[l.Predict[i][0]-'a']
		switch {
		case i >= len(p.Predict):
			out.Print("Question %d: you did not predict; it is %s) %s", i+1, l.Predict[i], right)
		case p.Predict[i] == l.Predict[i]:
			out.Print("Question %d: you predicted it: %s) %s", i+1, l.Predict[i], right)
		default:
			out.Print("Question %d: you predicted %s), it is %s) %s", i+1, p.Predict[i], l.Predict[i], right)
		}
	}
}

// evidence adds to each line of the blocks that are marked with run what it prints now, in this very lab.
func evidence(ctx context.Context, w *workspace.Workspace, text string) (string, error) {
	var out strings.Builder
	inside := false
	for line := range strings.Lines(text) {
		switch {
		case strings.HasPrefix(line, "```run"):
			inside = true
			out.WriteString("```\n")
		case inside && strings.HasPrefix(line, "```"):
			inside = false
			out.WriteString(line)
		case inside:
			printed, err := w.Output(ctx, line)
			if err != nil {
				return "", err
			}
			out.WriteString("$ " + line + printed)
		default:
			out.WriteString(line)
		}
	}
	return out.String(), nil
}
