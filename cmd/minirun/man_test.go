package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// TestManPages: a manual page describes every flag of its command that --help
// shows, and no other.
func TestManPages(t *testing.T) {
	a := app(nil)
	a.Setup()
	checkPage(t, "minirun", a.VisibleFlags())
	page := readPage(t, "minirun")
	for _, c := range a.VisibleCommands() {
		if !regexp.MustCompile(`(?m)^\.It Cm (.* , )?` + c.Name + `( , .*)?$`).MatchString(page) {
			t.Errorf("docs/man/minirun.8 does not list the command %s", c.Name)
		}
		readPage(t, "minirun-"+c.Name)
		flags := c.VisibleFlags()
		if c.Name == "create" { // minirun-run.8 describes the others
			flags = createFlags()
		}
		if !c.SkipFlagParsing { // those of helpers, which check them
			checkPage(t, "minirun-"+c.Name, flags)
		}
	}
}

var manFlag = regexp.MustCompile(`(?m)^\.It Fl (.*)$`)

func checkPage(t *testing.T, name string, flags []cli.Flag) {
	t.Helper()
	described := map[string]bool{}
	for _, m := range manFlag.FindAllStringSubmatch(readPage(t, name), -1) {
		names, _, _ := strings.Cut(m[1], " Ar ")
		for n := range strings.SplitSeq(names, " , ") {
			described[strings.TrimLeft(n, "-")] = true
		}
	}
	known := []string{"help", "h"}
	for _, f := range flags {
		for _, n := range f.Names() {
			known = append(known, n)
			if !described[n] {
				t.Errorf("docs/man/%s.8 does not describe the flag %s (.It Fl -%s)", name, n, n)
			}
		}
	}
	for n := range described {
		if !slices.Contains(known, n) {
			t.Errorf("docs/man/%s.8 describes the flag %s, which there is not", name, n)
		}
	}
}

func readPage(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "docs", "man", name+".8"))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// The names that commands are made by are their own.
func TestVerbs(t *testing.T) {
	for _, v := range allVerbs() {
		if got := v.command().Name; got != v.name {
			t.Errorf("the command %s is listed as %s", got, v.name)
		}
		if list := commandsFor([]string{"--root", "/x", v.name, "a"}); len(list) != 1 || list[0].Name != v.name {
			t.Errorf("a command line with %s has %d commands", v.name, len(list))
		}
	}
	if n := len(commandsFor([]string{"--help"})); n != len(allVerbs()) {
		t.Errorf("help is about %d commands", n)
	}
}
