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

// TestManPages: a manual page describes every flag of its command and its subcommands, and no
// others.
func TestManPages(t *testing.T) {
	a := app()
	a.Setup()
	for _, c := range a.VisibleCommands() {
		if c.Name == "layers" || c.Name == "inspect" { // minirun has the page, and checks it
			continue
		}
		text, err := os.ReadFile("../../docs/man/minirun-" + c.Name + ".8")
		if err != nil {
			t.Error(err)
			continue
		}
		flags := c.VisibleFlags()
		if c.Name != "build" { // TestManPagesOfBuild
			for _, below := range c.Subcommands {
				flags = append(flags, below.VisibleFlags()...)
			}
		}
		checkPage(t, "minirun-"+c.Name, flags, string(text))
	}
}

// TestManPagesOfBuild: build's subcommands have their own pages, which also describe the flags of
// their subcommands.
func TestManPagesOfBuild(t *testing.T) {
	a := app()
	a.Setup()
	for _, c := range a.Command("build").Subcommands {
		name := "minirun-build-" + c.Name
		text, err := os.ReadFile("../../docs/man/" + name + ".8")
		if err != nil {
			t.Error(err)
			continue
		}
		flags := c.VisibleFlags()
		for _, below := range c.Subcommands {
			flags = append(flags, below.VisibleFlags()...)
			if !strings.Contains(string(text), "\n.Cm "+below.Name+"\n") {
				t.Errorf("%s.8 does not describe %s", name, below.Name)
			}
		}
		checkPage(t, name, flags, string(text))
	}
}

func checkPage(t *testing.T, name string, flags []cli.Flag, page string) {
	t.Helper()
	known := []string{"help", "h"}
	for _, f := range flags {
		known = append(known, f.Names()...)
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
			t.Errorf("%s.8 does not describe the flag %s", name, n)
		}
	}
	for _, n := range described {
		if !slices.Contains(known, n) {
			t.Errorf("%s.8 describes the flag %s, which there is not", name, n)
		}
	}
}
