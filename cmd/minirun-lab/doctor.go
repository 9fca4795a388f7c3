package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/lab"
	"github.com/minirun/minirun/internal/lab/needs"
	"github.com/minirun/minirun/internal/lab/screen"
	"github.com/minirun/minirun/internal/messages"
	"github.com/minirun/minirun/internal/termtext"
)

func doctorCommand() *cli.Command {
	return &cli.Command{
		Name:  "doctor",
		Usage: "check whether this machine has everything that the labs need",
		Flags: []cli.Flag{jsonFlag()},
		Action: func(ctx *cli.Context) error {
			s, out, err := open()
			if err != nil {
				return err
			}
			findings, labs, err := examine(s)
			if err != nil {
				return err
			}
			if ctx.Bool("json") {
				err = writeFindings(out, findings, labs)
			} else {
				printFindings(out, findings, labs)
			}
			missing := slices.ContainsFunc(findings, func(f needs.Finding) bool { return f.Err != nil })
			if err == nil && missing {
				err = messages.NewFailure(errors.New("something that labs need is missing: see above"), failedStatus)
			}
			return err
		},
	}
}

// examine looks for everything that a lab needs, and returns which labs need it.
func examine(s *lab.Session) (findings []needs.Finding, labs map[string][]string, err error) {
	labs = map[string][]string{}
	var names []string
	for _, l := range s.Course.Labs {
		for _, n := range l.Needs {
			labs[n] = append(labs[n], l.Number)
			names = append(names, n)
		}
	}
	findings, err = needs.Examine(names)
	return findings, labs, err
}

// which names the labs that need something: "all", or their numbers.
func which(out *screen.Screen, numbers []string, all int) string {
	if len(numbers) == all {
		return out.Words.Say("all labs")
	}
	return out.Words.Say("labs %s", strings.Join(numbers, ", "))
}

func printFindings(out *screen.Screen, findings []needs.Finding, labs map[string][]string) {
	most := 0
	for _, numbers := range labs {
		most = max(most, len(numbers))
	}
	for _, f := range findings {
		who := which(out, labs[f.Name], most)
		if f.Err == nil {
			fmt.Fprintf(out.Out, "  %s %s (%s)\n", out.Good(), out.Words.Text(f.What), who)
			continue
		}
		fmt.Fprintf(out.Out, "  %s %s (%s)\n      %v\n", out.Bad(), out.Words.Text(f.What), who, f.Err)
		if f.Fix != "" {
			fmt.Fprintf(out.Out, "      %s\n", out.Words.Say("remedy: %s", f.Fix))
		}
	}
}

// A jsonFinding is a finding as --json shows it.
type jsonFinding struct {
	Name  string   `json:"name"`
	What  string   `json:"what"`
	OK    bool     `json:"ok"`
	Found string   `json:"found,omitempty"`
	Error string   `json:"error,omitempty"`
	Fix   string   `json:"fix,omitempty"`
	Labs  []string `json:"labs"`
}

func writeFindings(out *screen.Screen, findings []needs.Finding, labs map[string][]string) error {
	var list []jsonFinding
	for _, f := range findings {
		j := jsonFinding{Name: f.Name, What: out.Words.Text(f.What), OK: f.Err == nil, Found: f.Found, Labs: labs[f.Name]}
		if f.Err != nil {
			j.Error, j.Fix = f.Err.Error(), f.Fix
		}
		list = append(list, j)
	}
	return termtext.WriteJSON(os.Stdout, list)
}

// checkNeeds refuses to start a lab whose needs the machine does not have.
func checkNeeds(out *screen.Screen, number string, names []string) error {
	findings, err := needs.Examine(names)
	if err != nil {
		return err
	}
	for _, f := range findings {
		if f.Err == nil {
			continue
		}
		hint := "minirun lab doctor"
		if f.Fix != "" {
			hint = f.Fix
		}
		return fmt.Errorf("lab %s needs %s: %w\nhint: %s", number, out.Words.Text(f.What), f.Err, hint)
	}
	return nil
}
