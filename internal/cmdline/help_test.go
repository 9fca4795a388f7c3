package cmdline

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/urfave/cli/v2"
)

func TestFlagsFitIntoHelp(t *testing.T) {
	format := WrapFlags(cli.FlagStringer)
	got := format(&cli.StringSliceFlag{
		Name: "output", Aliases: []string{"o"}, Usage: "`type=image|registry,dest=…`: " + strings.Repeat("write the result there ", 6),
	})
	lines := strings.Split(got, "\n")
	if lines[0] != "--output type=image|registry,dest=…, -o type=image|registry,dest=…" || len(lines) < 3 {
		t.Errorf("%q", lines)
	}
	for _, l := range lines[1:] {
		if utf8.RuneCountInString(l) > helpWidth || !strings.HasPrefix(l, "  ") {
			t.Errorf("%q", l)
		}
	}
	if got := format(&cli.BoolFlag{Name: "all", Usage: "all of them"}); got != "--all\n  all of them (default: false)" {
		t.Errorf("%q", got)
	}
	if got := format(&cli.BoolFlag{Name: "all", DisableDefaultText: true}); got != "--all" {
		t.Errorf("%q", got)
	}
}
