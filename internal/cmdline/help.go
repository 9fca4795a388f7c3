package cmdline

import (
	"strings"
	"unicode/utf8"

	"github.com/urfave/cli/v2"
)

// helpWidth is the width of a line of help after cli's indent.
const helpWidth = 80 - 6

// WrapFlags returns a replacement for cli.FlagStringer that fits into 80 columns: the names of a
// flag, and its usage on the next lines. cli would put both on one line, as wide as the longest
// names of all flags, and repeat the names of a flag that can be given several times.
func WrapFlags(format cli.FlagStringFunc) cli.FlagStringFunc {
	return func(f cli.Flag) string {
		names, usage, _ := strings.Cut(format(f), "\t")
		names, _, _ = strings.Cut(names, " [ ")
		lines := append([]string{names}, wrapText(usage, helpWidth-2)...)
		return strings.Join(lines, "\n  ")
	}
}

// wrapText splits text at spaces into lines of at most width characters, if its words allow that.
func wrapText(text string, width int) (lines []string) {
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines = append(lines, line)
			line = ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}
