package main

import (
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/container/record"
)

// splitFlags splits the words after a command's name into its flags and its arguments.
// Flags may follow the arguments, as in runc, except where an argument begins the
// command line of another program:
//
//	exec ID │ COMMAND ARGUMENT…
//	ps ID │ PS-OPTION…
//	run IMAGE │ ARGUMENT…
func splitFlags(command *cli.Command, words []string) cmdline.Line {
	switch command.Name {
	case "exec":
		return cmdline.Split(words, command.Flags, 1)
	case "ps":
		return cmdline.Split(words, command.Flags, 0)
	case "run":
		whole := cmdline.Split(words, command.Flags, cmdline.Unlimited)
		if !runsBundle(whole, cmdline.Split(words, command.Flags, 0)) {
			return cmdline.Split(words, command.Flags, 0)
		}
		return whole
	}
	return cmdline.Split(words, command.Flags, cmdline.Unlimited)
}

// runsBundle reports whether the arguments of run name a bundle, which takes no
// arguments for its program. If they name an image, the words after it are not
// minirun's. whole is the line with flags recognized everywhere, front the same line
// with flags recognized only before the first argument.
func runsBundle(whole, front cmdline.Line) bool {
	args := whole.Arguments
	switch {
	case slices.Contains(front.Names, "bundle"):
		return true
	case whole.Undefined || len(args) == 0:
		return false
	case len(args) == 1 && slices.Contains(whole.Names, "bundle"):
		return true
	case isBundle(args[0]) || len(args) == 2 && isBundle(args[1]):
		return true
	}
	return len(args) == 1 && record.CheckID(args[0]) == nil && isBundle(".")
}
