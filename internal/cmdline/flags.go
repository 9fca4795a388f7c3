package cmdline

import (
	"flag"
	"strings"

	"github.com/urfave/cli/v2"
)

// A text, a number or a switch is cli's flag with its names precomputed. cli finds
// names with a regular expression each time it needs them, and for n flags it needs
// them n² times: half a millisecond of each start.

type text struct {
	*cli.StringFlag
	names []string
}

type number struct {
	*cli.IntFlag
	names []string
}

type toggle struct {
	*cli.BoolFlag
	names []string
}

// A list may be given several times; a comma does not separate values.
type list struct {
	*cli.StringSliceFlag
	names []string
}

// TextFlag returns a flag whose value is a text.
func TextFlag(f cli.StringFlag) cli.Flag { return &text{&f, flagNames(f.Name, f.Aliases)} }

// NumberFlag returns a flag whose value is a number.
func NumberFlag(f cli.IntFlag) cli.Flag { return &number{&f, flagNames(f.Name, f.Aliases)} }

// ToggleFlag returns a flag without a value.
func ToggleFlag(f cli.BoolFlag) cli.Flag { return &toggle{&f, flagNames(f.Name, f.Aliases)} }

// ListFlag returns a flag that may be given several times.
func ListFlag(f cli.StringSliceFlag) cli.Flag { return &list{&f, flagNames(f.Name, f.Aliases)} }

func flagNames(name string, aliases []string) []string { return append([]string{name}, aliases...) }

func (f *text) Names() []string { return f.names }

func (f *number) Names() []string { return f.names }

func (f *toggle) Names() []string { return f.names }

func (f *list) Names() []string { return f.names }

func (f *text) Apply(set *flag.FlagSet) error {
	for _, name := range f.names {
		set.String(name, f.Value, f.Usage)
	}
	return nil
}

func (f *number) Apply(set *flag.FlagSet) error {
	for _, name := range f.names {
		set.Int(name, f.Value, f.Usage)
	}
	return nil
}

func (f *toggle) Apply(set *flag.FlagSet) error {
	for _, name := range f.names {
		set.Bool(name, f.Value, f.Usage)
	}
	return nil
}

func (f *list) Apply(set *flag.FlagSet) error {
	var given givenValue
	for _, name := range f.names {
		set.Var(&given, name, f.Usage)
	}
	return nil
}

// givenValue are the values of a list.
type givenValue []string

func (g *givenValue) Set(value string) error {
	if value == sameList {
		return nil
	}
	*g = append(*g, value)
	return nil
}

// sameList is the value that cli copies to the other names of a list, so that they
// have its values too. They already do: it is one list. No argument can contain a zero
// byte.
const sameList = "\x00"

// Serialize makes cli copy sameList, instead of all values as one.
func (g *givenValue) Serialize() string { return sameList }

func (g *givenValue) String() string { return strings.Join(*g, ",") }

// ListValues returns the values given for a list.
func ListValues(ctx *cli.Context, name string) []string {
	if g, ok := ctx.Generic(name).(*givenValue); ok {
		return *g
	}
	return nil
}
