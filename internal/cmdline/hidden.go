package cmdline

import "github.com/urfave/cli/v2"

// Hide leaves flags out of a command's help, which refers to another command for them.
func Hide(flags []cli.Flag) []cli.Flag {
	for _, f := range flags {
		switch f := f.(type) {
		case *text:
			f.Hidden = true
		case *number:
			f.Hidden = true
		case *toggle:
			f.Hidden = true
		case *list:
			f.Hidden = true
		}
	}
	return flags
}
