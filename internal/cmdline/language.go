package cmdline

import (
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/language"
)

// UseLanguage chooses the language of the program's messages: that of the flag --lang before the command, if it
// is given. It looks for the flag before the command line is parsed, because help and errors are messages too.
func UseLanguage(args []string, flags []cli.Flag) error {
	for i := 1; i < len(args) && isFlag(args[i]) && args[i] != "--"; i += 1 + countValues(args[i], flags) {
		name, value, given := strings.Cut(strings.TrimLeft(args[i], "-"), "=")
		if name != "lang" {
			continue
		}
		if !given && i+1 < len(args) {
			value, given = args[i+1], true
		}
		if given { // otherwise the value is missing, which cli reports
			return language.Use(value)
		}
	}
	return nil
}
