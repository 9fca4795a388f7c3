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

// TestManPages: a manual page describes every flag of its command and its subcommands, and no other.
func TestManPages(t *testing.T) {
	for _, c := range commands() {
		if c.Name == "ps" || c.Name == "kill" || c.Hidden && c.Name != "container" {
			continue // the pages of ps and kill: cmd/minirun checks them
		}
		text, err := os.ReadFile("../../docs/man/minirun-" + c.Name + ".8")
		if err != nil {
			t.Error(err)
			continue
		}
		known := []string{"help", "h"}
		for _, flags := range slices.Concat([]*cli.Command{c}, c.Subcommands) {
			for _, f := range flags.VisibleFlags() {
				known = append(known, f.Names()...)
			}
		}
		described := []string{}
		for _, m := range manFlag.FindAllStringSubmatch(string(text), -1) {
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
}
