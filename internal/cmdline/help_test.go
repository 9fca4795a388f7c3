package cmdline

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/urfave/cli/v2"
)

func longCommand() *cli.Command {
	return &cli.Command{
		Name: "ps", HelpName: "minirun ps", Usage: strings.Repeat("list containers ", 12), ArgsUsage: "[A]  |  B C",
		Description: "First line\nand second.\n\n" + strings.Repeat("Another paragraph. ", 9),
		Flags: []cli.Flag{
			ListFlag(cli.StringSliceFlag{Name: "output", Aliases: []string{"o"}, Usage: "`type=image|registry|oci|docker|tar|" +
				"local|cacheonly,dest=FILE|DIRECTORY|-,name=NAME`: " + strings.Repeat("write the result there ", 6)}),
			ToggleFlag(cli.BoolFlag{Name: "all", Aliases: []string{"a"}, Usage: "all of them", Category: "bundles"}),
			TextFlag(cli.StringFlag{Name: "memory", Usage: "limit", Category: "For an image: limits"}),
			TextFlag(cli.StringFlag{Name: "format", Value: "table", Usage: "`FORM` of it"}),
			NumberFlag(cli.IntFlag{Name: "hidden", Hidden: true}),
		},
	}
}

// TestHelpFitsIntoItsWidth: whatever the width of the terminal, no line of help is wider.
func TestHelpFitsIntoItsWidth(t *testing.T) {
	for _, width := range []int{minWidth, 80, 100} {
		p := helpPrinter{width: width}
		p.command(longCommand())
		for l := range strings.Lines(p.out.String()) {
			if utf8.RuneCountInString(l) > width+1 {
				t.Errorf("at %d columns: %q", width, l)
			}
		}
	}
}

// TestHelpHasSections: usage lines, flags in their categories, defaults and examples.
func TestHelpHasSections(t *testing.T) {
	p := helpPrinter{width: 80}
	p.command(longCommand())
	for _, want := range []string{
		"USAGE:\n  minirun ps [OPTIONS] [A]\n  minirun ps [OPTIONS] B C\n",
		"  First line and second.\n\n  Another",
		"      --format FORM  FORM of it (default: table)\n",
		"\nOPTIONS FOR BUNDLES:\n  -a, --all  all of them\n",
		"\nOPTIONS FOR AN IMAGE: LIMITS:\n      --memory VALUE  limit\n",
		"\nEXAMPLES:\n  minirun ps -a\n",
	} {
		if !strings.Contains(p.out.String(), want) {
			t.Errorf("no %q in\n%s", want, p.out.String())
		}
	}
	if strings.Contains(p.out.String(), "hidden") || strings.Contains(p.out.String(), "\x1b") {
		t.Errorf("hidden flags or escapes in\n%s", p.out.String())
	}
	p = helpPrinter{width: 80, bold: true}
	p.command(longCommand())
	if !strings.Contains(p.out.String(), "\x1b[1mUSAGE:\x1b[0m\n") {
		t.Errorf("no bold headings:\n%s", p.out.String())
	}
}

// TestCatalogueFitsIntoHelp: examples are not wrapped, so they must be short; no command is listed twice.
func TestCatalogueFitsIntoHelp(t *testing.T) {
	seen := map[string]bool{}
	for _, g := range catalogue {
		for _, e := range g.entries {
			if seen[e.name] || len(e.examples) == 0 {
				t.Errorf("%s: listed twice, or without examples", e.name)
			}
			seen[e.name] = true
			for _, x := range e.examples {
				if utf8.RuneCountInString(x) > 98 {
					t.Errorf("%s: too wide: %s", e.name, x)
				}
			}
		}
	}
}
