package cmdline

import (
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
)

// wrongValue describes the first value in a line that its flag does not accept, or returns "". Go's
// flag package does not say what it expects.
func (l Line) wrongValue(flags []cli.Flag) string {
	for i := 0; i < len(l.Flags); i++ {
		word := l.Flags[i]
		named, _ := flagsNamedBy(word, flags)
		if len(named) == 0 {
			continue
		}
		f := named[len(named)-1]
		_, value, given := strings.Cut(word, "=")
		if !given && takesValue(f) {
			if i++; i == len(l.Flags) {
				return ""
			}
			value, given = l.Flags[i], true
		}
		if expected := expectedValue(f, value); given && expected != "" {
			return spell(word) + " " + strconv.Quote(value) + ": must be " + expected
		}
	}
	return ""
}

// expectedValue returns what a flag expects if it does not accept a value, otherwise "".
func expectedValue(f cli.Flag, value string) string {
	switch f.(type) {
	case *number, *cli.IntFlag:
		if _, err := strconv.ParseInt(value, 0, strconv.IntSize); err != nil {
			return "a number"
		}
	case *cli.DurationFlag:
		if _, err := time.ParseDuration(value); err != nil {
			return "a duration such as 30s or 1h30m"
		}
	case *toggle, *cli.BoolFlag:
		if _, err := strconv.ParseBool(value); err != nil {
			return "true or false"
		}
	}
	return ""
}
