package main

import (
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/runtarget"
)

// splitFlags splits the words after a command's name into its flags and its arguments.
// Flags may follow the arguments, as in runc, except where an argument begins the
// command line of another program:
//
//	exec ID │ COMMAND ARGUMENT…
//	ps ID │ PS-OPTION…
//	run IMAGE │ ARGUMENT…, and the same for create, plan and step
func splitFlags(command *cli.Command, words []string, completing bool) cmdline.Line {
	switch command.Name {
	case "exec":
		return cmdline.Split(words, command.Flags, 1)
	case "ps":
		return cmdline.Split(words, command.Flags, 0)
	case "run", "create", "plan", "step":
		whole, front := cmdline.Split(words, command.Flags, cmdline.Unlimited), cmdline.Split(words, command.Flags, 0)
		if namesBundle(whole, front) || completing && len(whole.Arguments) == 1 {
			return whole
		}
		return front
	}
	return cmdline.Split(words, command.Flags, cmdline.Unlimited)
}

// namesBundle reports whether the arguments of run or create name a bundle, which takes
// no arguments for its program. If they name an image, the words after it are not
// minirun's. whole is the line with flags recognized everywhere, front the same line
// with flags recognized only before the first argument.
func namesBundle(whole, front cmdline.Line) bool {
	switch {
	case slices.Contains(front.Names, "bundle"):
		return true
	case len(front.Arguments) > 0 && runtarget.NamesBundle(
		runtarget.Question{Arguments: []string{front.Arguments[0], ""}}, &paths): // an unknown flag is minirun's
		return true
	case whole.Undefined:
		return false
	case len(whole.Arguments) == 1 && slices.Contains(whole.Names, "bundle"):
		return true
	}
	return runtarget.NamesBundle(runtarget.Question{Arguments: whole.Arguments}, &paths)
}
