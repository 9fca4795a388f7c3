// Package runflags has docker's flags of run and create: their table, which of them a command line
// needs, their values, and what to do instead with a bundle.
//
//	runflags.go   the flags of a command line; errors with a bundle
//	table.go      the table
//	read.go       flags → engine.Settings; values.go: single values
//	resources.go  limits; devices.go; security.go: capabilities and confinement
//	files.go      --env-file, --label-file
//	exec.go       flags of exec
//
// Reading the flags checks every value, without looking at an image: nothing is pulled or created
// for a command line that is wrong.
package runflags

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
)

// A kind is what follows a flag.
type kind byte

const (
	text   kind = iota // a value; the last one counts
	list               // a value; the flag may be given several times
	toggle             // nothing, or =true or =false
)

// A flag is one row of the table.
type flag struct {
	name, short string
	kind        kind
	group       string
	usage       string
	field       string // what to set in a bundle's config.json instead
	reason      string // why minirun does not support the flag
}

// All returns all flags, as help, completion and the manual need them.
func All() []cli.Flag {
	var out []cli.Flag
	for i := range table {
		out = append(out, table[i].build())
	}
	return out
}

// Needed returns the flags that the words of a command line may refer to, and all if one of the words
// is an unknown flag. Each flag that cli knows of makes every start of a container slower. others are
// the names of the command's other flags.
func Needed(words []string, others []cli.Flag) []cli.Flag {
	var out []cli.Flag
	added := map[string]bool{}
	for _, word := range words {
		if len(word) < 2 || word[0] != '-' {
			continue
		}
		found := named(word, others)
		if found == nil {
			return All()
		}
		for _, f := range found {
			if f.name != "" && !added[f.name] {
				added[f.name] = true
				out = append(out, f.build())
			}
		}
	}
	return out
}

// named returns the flags that a word refers to, or an empty flag for those of others. It returns nil
// if no flag has the name.
func named(word string, others []cli.Flag) []*flag {
	name, _, _ := strings.Cut(strings.TrimLeft(word, "-"), "=")
	if f := find(name, others); f != nil {
		return []*flag{f}
	}
	if strings.HasPrefix(word, "--") {
		return nil
	}
	var out []*flag
	for _, letter := range name { // -it
		f := find(string(letter), others)
		if f == nil {
			return nil
		}
		out = append(out, f)
	}
	return out
}

func find(name string, others []cli.Flag) *flag {
	if name == "" {
		return nil
	}
	for i := range table {
		if table[i].name == name || table[i].short == name {
			return &table[i]
		}
	}
	for _, f := range others {
		if slices.Contains(f.Names(), name) {
			return &flag{}
		}
	}
	return nil
}

// build returns cli's flag. One that is not supported is not in the help.
func (f *flag) build() cli.Flag {
	var aliases []string
	if f.short != "" {
		aliases = []string{f.short}
	}
	hidden := f.reason != ""
	switch f.kind {
	case toggle:
		return cmdline.ToggleFlag(cli.BoolFlag{Name: f.name, Aliases: aliases, Usage: f.usage, Category: f.group,
			Hidden: hidden})
	case list:
		return cmdline.ListFlag(cli.StringSliceFlag{Name: f.name, Aliases: aliases, Usage: f.usage, Category: f.group,
			Hidden: hidden})
	}
	return cmdline.TextFlag(cli.StringFlag{Name: f.name, Aliases: aliases, Usage: f.usage, Category: f.group,
		Hidden: hidden})
}

// CheckBundle refuses flags that would have no effect with a bundle, and names the field of config.json
// that has the effect.
func CheckBundle(ctx *cli.Context, bundle string) error {
	given := ctx.LocalFlagNames()
	if len(given) == 0 {
		return nil
	}
	for i := range table {
		f := &table[i]
		switch {
		case !slices.Contains(given, f.name), f.name == "interactive": // the program always gets standard input
		case f.name == "rm" && ctx.Command.Name == "run" && !ctx.Bool("keep") && !ctx.Bool("detach"): // the default
		case f.name == "rm":
			return cmdline.UsageError(ctx.Command,
				"--rm cannot be combined with --keep or --detach for a bundle: minirun delete removes the container")
		case f.reason != "":
			return f.rejected()
		case f.field == "":
			return fmt.Errorf("--%s is for an image, and %s is a bundle\nhint: omit it", f.name, bundle)
		default:
			return fmt.Errorf("--%s is for an image, and %s is a bundle\nhint: set %s in %s/config.json", f.name, bundle,
				f.field, strings.TrimRight(bundle, "/"))
		}
	}
	return nil
}

func (f *flag) rejected() error { return fmt.Errorf("--%s is not supported: %s", f.name, f.reason) }
