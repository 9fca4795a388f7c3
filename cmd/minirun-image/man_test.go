package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

var manFlag = regexp.MustCompile(`(?m)^\.It Fl (.*)$`)

// TestManPages: a manual page describes every flag of its command and of its
// subcommands, and no other.
func TestManPages(t *testing.T) {
	a := app()
	a.Setup()
	for _, c := range a.VisibleCommands() {
		if c.Name == "layers" { // minirun's own, which checks it
			continue
		}
		text, err := os.ReadFile("../../docs/man/minirun-" + c.Name + ".8")
		if err != nil {
			t.Error(err)
			continue
		}
		checkPage(t, c, string(text))
	}
}

func checkPage(t *testing.T, c *cli.Command, page string) {
	t.Helper()
	known := []string{"help", "h"}
	for _, c := range append(c.Subcommands, c) {
		for _, f := range c.VisibleFlags() {
			known = append(known, f.Names()...)
		}
	}
	var described []string
	for _, m := range manFlag.FindAllStringSubmatch(page, -1) {
		names, _, _ := strings.Cut(m[1], " Ar ")
		for n := range strings.SplitSeq(names, " , ") {
			described = append(described, strings.TrimLeft(n, "-"))
		}
	}
	for _, n := range known {
		if !slices.Contains(described, n) {
			t.Errorf("minirun-%s.8 does not describe the flag %s", c.Name, n)
		}
	}
	for _, n := range described {
		if !slices.Contains(known, n) {
			t.Errorf("minirun-%s.8 describes the flag %s, which there is not", c.Name, n)
		}
	}
}
