package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/lab/course"
)

func slidesCommand() *cli.Command {
	return &cli.Command{
		Name:      "slides",
		Usage:     "print the labs as slides in Markdown, one idea per slide",
		ArgsUsage: "[LAB]…",
		Flags: []cli.Flag{
			cmdline.TextFlag(cli.StringFlag{Name: "seed", Usage: "the random values of the class with this `TEXT`"}),
		},
		Action: func(ctx *cli.Context) error {
			s, out, err := open()
			if err != nil {
				return err
			}
			labs, err := chosenLabs(s, ctx, s.Course.Find)
			if err != nil {
				return err
			}
			chooser := course.Chooser{Seed: ctx.String("seed")}
			for i, l := range labs {
				values, err := chooser.Choose(l)
				if err != nil {
					return err
				}
				if i > 0 {
					out.Raw(slideBreak)
				}
				out.Raw(slides(l.Number, l.Text(out.Words.Tag).Fill(values)))
			}
			return nil
		},
	}
}

// slideBreak separates slides, as in Marp and other programs that show Markdown as slides.
const slideBreak = "\n---\n\n"

// slides returns the slides of a lab: what it is about, the questions, what to do, what happened. Hints
// and answers are for the learners' own screens.
func slides(number string, t *course.Text) string {
	parts := []string{fmt.Sprintf("# %s. %s\n\n%s\n", number, t.Title, t.Intro)}
	for _, q := range t.Predict {
		text := fmt.Sprintf("## %s\n\n%s\n\n", t.Headings[0], q.Text)
		for i, choice := range q.Choices {
			text += fmt.Sprintf("- %c) %s\n", 'a'+i, choice)
		}
		parts = append(parts, text)
	}
	parts = append(parts, fmt.Sprintf("## %s\n\n%s\n", t.Headings[1], t.Do),
		fmt.Sprintf("## %s\n\n%s\n", t.Headings[4], strings.ReplaceAll(t.Explain, "```run", "```sh")))
	return strings.Join(parts, slideBreak)
}
