package main

import (
	"slices"
	"strings"

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
//	spec --args │ PROGRAM ARGUMENT…
func splitFlags(command *cli.Command, words []string) cmdline.Line {
	switch command.Name {
	case "exec":
		return cmdline.Split(words, command.Flags, 1)
	case "ps":
		return cmdline.Split(words, command.Flags, 0)
	case "run", "create", "plan", "step":
		whole, front := cmdline.Split(words, command.Flags, cmdline.Unlimited), cmdline.Split(words, command.Flags, 0)
		if namesBundle(whole, front) {
			return whole
		}
		return front
	case "spec":
		return splitProgram(command, words, "--args")
	}
	return cmdline.Split(words, command.Flags, cmdline.Unlimited)
}

// splitProgram splits words of which those after a flag belong to another program.
func splitProgram(command *cli.Command, words []string, flag string) cmdline.Line {
	at := slices.Index(words, flag)
	if at < 0 {
		return cmdline.Split(words, command.Flags, cmdline.Unlimited)
	}
	line := cmdline.Split(words[:at], command.Flags, cmdline.Unlimited)
	if len(line.Arguments) > 0 {
		return line // there must be none: an error
	}
	line.Given, line.Ordered = words, false
	line.Flags, line.Names = append(line.Flags, flag), append(line.Names, strings.TrimLeft(flag, "-"))
	line.Arguments, line.Foreign = words[at+1:], at < len(words)-1
	return line
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
