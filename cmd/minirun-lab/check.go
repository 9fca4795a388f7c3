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
			cmdline.ToggleFlag(cli.BoolFlag{Name: "watch", Aliases: []string{"w"}, Usage: "check again each second until everything holds"}),
			cmdline.TextFlag(cli.StringFlag{Name: "runtime", Usage: "use this `PROGRAM` for the containers that checks start: your own runtime"}),
			jsonFlag(),
		},
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
			if err := needRoot(ctx); err != nil {
				return err
			}
			var runtime []string
			if program := ctx.String("runtime"); program != "" {
				runtime = []string{program}
			}
			running, stop := interruptible()
			defer stop()
			return check(running, s, out, w, options{ctx.Bool("watch"), ctx.Bool("json"), runtime})
		},
	}
}

type options struct {
	watch, json bool
	runtime     []string
}

// failedStatus is the exit status of a check that does not hold.
const failedStatus = 1

var errNotSolved = errors.New("the lab is not solved yet\nhint: minirun lab hint")

func check(ctx context.Context, s *lab.Session, out *screen.Screen, w *workspace.Workspace, o options) error {
	r, err := s.Check(ctx, w, o.runtime)
	for last := ""; err == nil && o.watch && !r.Passed(); r, err = s.Check(ctx, w, o.runtime) {
		if now := fmt.Sprint(r.Results); now != last && !o.json {
			out.Report(w.Lab, r)
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
		if err := writeReport(out, w.Lab, r); err != nil {
			return err
		}
	} else {
		out.Report(w.Lab, r)
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
	Expected string `json:"expected,omitempty"`
	Found    string `json:"found,omitempty"`
	Look     string `json:"look,omitempty"`
}

func writeReport(out *screen.Screen, l *course.Lab, r *lab.Report) error {
	report := struct {
		Lab    string      `json:"lab"`
		Passed bool        `json:"passed"`
		Checks []jsonCheck `json:"checks"`
	}{l.Number, r.Passed(), nil}
	for i, one := range r.Results {
		c := jsonCheck{ID: one.ID, Text: l.Text(out.Words.Tag).Checks[i], Holds: one.Failure == nil}
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
	comparePredictions(out, w.Lab, p)
	t := w.Lab.Text(out.Words.Tag)
	text, err := evidence(ctx, w, course.Fill(t.Explain, w.Values))
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

func comparePredictions(out *screen.Screen, l *course.Lab, p *progress.Lab) {
	t := l.Text(out.Words.Tag)
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
