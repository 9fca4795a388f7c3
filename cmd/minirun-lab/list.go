package main

import (
	"encoding/csv"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/lab"
	"github.com/minirun/minirun/internal/lab/progress"
	"github.com/minirun/minirun/internal/lab/screen"
	"github.com/minirun/minirun/internal/termtext"
)

func listCommand() *cli.Command {
	return &cli.Command{
		Name:  "list",
		Usage: "list the labs with their state",
		Flags: []cli.Flag{jsonFlag()},
		Action: func(ctx *cli.Context) error {
			s, out, err := open()
			if err != nil {
				return err
			}
			rows, err := readRows(s, out)
			if err != nil || ctx.Bool("json") {
				return firstOf(err, func() error { return termtext.WriteJSON(os.Stdout, rows) })
			}
			printRows(out, rows)
			return nil
		},
	}
}

func jsonFlag() cli.Flag {
	return cmdline.ToggleFlag(cli.BoolFlag{Name: "json", Usage: "for programs"})
}

// firstOf returns an error, or else calls a function.
func firstOf(err error, f func() error) error {
	if err != nil {
		return err
	}
	return f()
}

// A row is a lab in a list.
type row struct {
	Number  string     `json:"number"`
	Name    string     `json:"name"`
	Title   string     `json:"title"`
	Minutes int        `json:"minutes"`
	Fast    bool       `json:"fast"`
	State   string     `json:"state"` // "", started, passed, seen, edited
	Checks  int        `json:"checks"`
	Hints   int        `json:"hints"`
	Right   int        `json:"predictionsRight"`
	Asked   int        `json:"predictionsAsked"`
	Passed  *time.Time `json:"passed,omitempty"`
}

// edited is the state of a lab whose progress was not written by minirun.
const edited = "edited"

func readRows(s *lab.Session, out *screen.Screen) (rows []row, err error) {
	f, err := s.Store.Read()
	if err != nil {
		return nil, err
	}
	for _, l := range s.Course.Labs {
		r := row{Number: l.Number, Name: l.Name, Title: l.Text(out.Words.Tag).Title, Minutes: l.Minutes, Fast: l.Fast,
			Asked: len(l.Predict)}
		if p := f.Labs[l.Dir]; p != nil {
			r.State, r.Checks, r.Hints, r.Passed = p.State, p.Checks, p.Hints, p.Passed
			if !s.Store.Genuine(l.Dir, p) {
				r.State, r.Passed = edited, nil
			}
			for i, answer := range p.Predict {
				if i < len(l.Predict) && answer == l.Predict[i] {
					r.Right++
				}
			}
		}
		rows = append(rows, r)
	}
	return rows, nil
}

func printRows(out *screen.Screen, rows []row) {
	w := out.Words
	widest := 5
	for _, r := range rows {
		widest = max(widest, utf8.RuneCountInString(r.Title))
	}
	widest = min(widest, 52)
	fmt.Fprintf(out.Out, "%4s  %s  %s  %s\n", w.Say("LAB"), pad(w.Say("TITLE"), widest), w.Say("MINUTES"), w.Say("STATE"))
	for _, r := range rows {
		fast := " "
		if r.Fast {
			fast = "*"
		}
		state := r.State
		if state != "" {
			state = w.Say(state)
		}
		fmt.Fprintf(out.Out, "%4s%s %s  %7d  %s\n", r.Number, fast, pad(r.Title, widest), r.Minutes, state)
	}
	out.Print("\n* fast track. Start one with: minirun lab start NUMBER")
}

// pad shortens or fills a text to a width in columns.
func pad(text string, width int) string {
	runes := []rune(text)
	if len(runes) > width {
		return string(runes[:width-1]) + "…"
	}
	return text + strings.Repeat(" ", width-len(runes))
}

func statusCommand() *cli.Command {
	return &cli.Command{
		Name:  "status",
		Usage: "show what was done: labs passed, hints, predictions",
		Flags: []cli.Flag{jsonFlag(),
			cmdline.ToggleFlag(cli.BoolFlag{Name: "csv",
				Usage: "for a teacher's table: one line per lab, with the user's name"})},
		Action: func(ctx *cli.Context) error {
			s, out, err := open()
			if err != nil {
				return err
			}
			rows, err := readRows(s, out)
			switch {
			case err != nil:
				return err
			case ctx.Bool("json") && ctx.Bool("csv"):
				return cmdline.UsageError(ctx.Command, "--json and --csv cannot be combined")
			case ctx.Bool("json"):
				return termtext.WriteJSON(os.Stdout, struct {
					User string `json:"user"`
					Labs []row  `json:"labs"`
				}{s.Learner.Name, rows})
			case ctx.Bool("csv"):
				return writeCSV(s.Learner.Name, rows)
			}
			printStatus(out, rows)
			return nil
		},
	}
}

func printStatus(out *screen.Screen, rows []row) {
	done := 0
	for _, r := range rows {
		if r.State == progress.Passed {
			done++
		}
	}
	out.Print("%d of %d labs passed", done, len(rows))
	for _, r := range rows {
		if r.State == "" {
			continue
		}
		out.Print("  %-3s %s: %s; checked %d times, %d hints, %d of %d predictions right", r.Number, r.Title,
			out.Words.Say(r.State), r.Checks, r.Hints, r.Right, r.Asked)
	}
}

// writeCSV writes the table for a teacher. Its columns do not depend on the language.
func writeCSV(user string, rows []row) error {
	w := csv.NewWriter(os.Stdout)
	_ = w.Write([]string{"user", "lab", "name", "state", "passed", "checks", "hints", "predictions_right",
		"predictions_asked"})
	for _, r := range rows {
		passed := ""
		if r.Passed != nil {
			passed = r.Passed.Format(time.RFC3339)
		}
		_ = w.Write([]string{user, r.Number, r.Name, r.State, passed, strconv.Itoa(r.Checks), strconv.Itoa(r.Hints),
			strconv.Itoa(r.Right), strconv.Itoa(r.Asked)})
	}
	w.Flush()
	return w.Error()
}
