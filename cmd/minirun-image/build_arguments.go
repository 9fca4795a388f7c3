package main

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// flagsFirst is the command line of a build with its flags in front of its context:
// docker takes them behind it too, and urfave/cli stops at the first argument.
func flagsFirst(args []string, app *cli.App) []string {
	at := 1
	for at < len(args) && strings.HasPrefix(args[at], "-") {
		at += 1 + takes(args[at], app.Flags)
	}
	if at >= len(args) || args[at] != "build" {
		return args
	}
	flags := app.Command("build").Flags
	out, behind := slices.Clone(args[:at+1]), []string(nil)
	for i := at + 1; i < len(args); {
		a := args[i]
		if a == "--" {
			behind = append(behind, args[i+1:]...)
			break
		}
		if a == "-" || !strings.HasPrefix(a, "-") {
			behind = append(behind, a)
			i++
			continue
		}
		end := min(len(args), i+1+takes(a, flags))
		out = append(out, args[i:end]...)
		i = end
	}
	if len(behind) == 0 {
		return out
	}
	return append(append(out, "--"), behind...)
}

// takes is how many arguments behind a flag are its value.
func takes(arg string, flags []cli.Flag) int {
	name := strings.TrimLeft(arg, "-")
	if strings.Contains(name, "=") {
		return 0
	}
	for _, f := range flags {
		if _, toggle := f.(*cli.BoolFlag); !toggle && slices.Contains(f.Names(), name) {
			return 1
		}
	}
	return 0
}
