package cmdline

import (
	"io"
	"iter"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/language"
	"github.com/minirun/minirun/internal/stdio"
)

// Widths of the help, in columns.
const (
	defaultWidth = 80  // if standard output is not a terminal
	maxWidth     = 100 // longer lines are hard to read
	minWidth     = 40
	maxNames     = 30 // of the column with the names of commands and flags
)

// UseHelp makes cli print all help as this package formats it: the commands in groups, the flags in
// categories, wrapped to the width of the terminal, with examples at the end.
func UseHelp() {
	cli.HelpFlag = ToggleFlag(cli.BoolFlag{Name: "help", Aliases: []string{"h"}, Usage: "show help",
		DisableDefaultText: true})
	cli.HelpPrinter = func(w io.Writer, _ string, subject any) {
		p := helpPrinter{width: defaultWidth}
		if f, ok := w.(*os.File); ok {
			p.adaptTo(f)
		}
		switch s := subject.(type) {
		case *cli.App:
			p.app(s)
		case *cli.Command:
			p.command(s)
		}
		_, _ = io.WriteString(w, p.out.String())
	}
}

// WriteHelp writes the help of a command that another library parses.
func WriteHelp(w *os.File, c *cli.Command) {
	p := helpPrinter{width: defaultWidth}
	p.adaptTo(w)
	p.command(c)
	_, _ = io.WriteString(w, p.out.String())
}

type helpPrinter struct {
	out   strings.Builder
	width int
	bold  bool // headings
}

// adaptTo uses the width of a terminal, and bold headings unless NO_COLOR is set.
func (p *helpPrinter) adaptTo(f *os.File) {
	terminal := stdio.Descriptor(f.Fd())
	if !terminal.IsTerminal() {
		return
	}
	if columns, _ := terminal.Size(); columns > 0 {
		p.width = max(minWidth, min(columns, maxWidth))
	}
	p.bold = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

func (p *helpPrinter) app(a *cli.App) {
	p.paragraphs("NAME", a.Name+" - "+translated(a.Usage))
	p.heading("USAGE")
	p.line("  " + a.Name + " [OPTIONS] COMMAND [ARGUMENT…]")
	p.groups(a.VisibleCommands())
	p.flags(a.VisibleFlags())
	p.examples("")
	p.line("")
	p.line(translated(a.Name + " COMMAND --help shows the options of a command."))
}

func (p *helpPrinter) command(c *cli.Command) {
	p.paragraphs("NAME", c.HelpName+" - "+translated(c.Usage))
	p.heading("USAGE")
	for usage := range strings.SplitSeq(c.ArgsUsage, "  |  ") {
		p.wrapped("  "+c.HelpName+" [OPTIONS] ", usage)
	}
	if len(c.VisibleCommands()) > 0 {
		p.line("  " + c.HelpName + " COMMAND [ARGUMENT…]")
	}
	if c.Description != "" {
		paragraphs := strings.Split(c.Description, "\n\n")
		for i, text := range paragraphs {
			paragraphs[i] = translated(text)
		}
		p.paragraphs("DESCRIPTION", paragraphs...)
	}
	if all := c.VisibleCommands(); len(all) > 0 {
		p.heading("COMMANDS")
		p.table(commandRows(all))
	}
	p.flags(c.VisibleFlags())
	_, name, _ := strings.Cut(c.HelpName, " ")
	p.examples(name)
}

// groups lists commands under the headings of the catalogue.
func (p *helpPrinter) groups(all []*cli.Command) {
	for i := range catalogue {
		g := &catalogue[i]
		var found []*cli.Command
		for j := range g.entries {
			at := slices.IndexFunc(all, func(c *cli.Command) bool { return c.Name == g.entries[j].name })
			if at >= 0 {
				found = append(found, all[at])
				all = slices.Concat(all[:at], all[at+1:])
			}
		}
		if len(found) > 0 {
			p.heading(g.title)
			p.table(commandRows(found))
		}
	}
	if len(all) > 0 {
		p.heading("OTHER COMMANDS")
		p.table(commandRows(all))
	}
}

// flags lists flags, those without a category first.
func (p *helpPrinter) flags(all []cli.Flag) {
	var categories []string
	for _, f := range all {
		if name := category(f); !slices.Contains(categories, name) {
			categories = append(categories, name)
		}
	}
	slices.SortStableFunc(categories, func(a, b string) int { // the one without a name first
		return min(len(a), 1) - min(len(b), 1)
	})
	for _, name := range categories {
		switch {
		case name == "":
			p.heading("OPTIONS")
		case strings.HasPrefix(name, "For "):
			p.heading(translated("OPTIONS") + " " + strings.ToUpper(translated(name)))
		default:
			p.heading("OPTIONS FOR " + strings.ToUpper(translated(name)))
		}
		var rows [][2]string
		for _, f := range all {
			if category(f) == name {
				rows = append(rows, flagRow(f))
			}
		}
		p.table(rows)
	}
}

func category(f cli.Flag) string {
	if c, ok := f.(cli.CategorizableFlag); ok {
		return c.GetCategory()
	}
	return ""
}

func (p *helpPrinter) examples(name string) {
	list := examplesOf(name)
	if len(list) == 0 {
		return
	}
	p.heading("EXAMPLES")
	for _, e := range list {
		line, comment, commented := strings.Cut(e, " # ")
		if commented {
			line += " # " + translated(comment)
		}
		p.line("  " + line) // not wrapped: people paste them
	}
}

func commandRows(all []*cli.Command) (rows [][2]string) {
	for _, c := range all {
		rows = append(rows, [2]string{strings.Join(c.Names(), ", "), translated(c.Usage)})
	}
	return rows
}

// flagRow returns the names of a flag with the placeholder of its value, and its usage.
func flagRow(f cli.Flag) [2]string {
	var long, short []string
	for _, name := range f.Names() {
		if len(name) == 1 {
			short = append(short, "-"+name)
		} else {
			long = append(long, "--"+name)
		}
	}
	names := strings.Join(slices.Concat(short, long), ", ")
	if len(short) == 0 {
		names = "    " + names
	}
	documented, ok := f.(cli.DocGenerationFlag)
	if !ok {
		return [2]string{names, ""}
	}
	value, usage := splitUsage(translated(documented.GetUsage()))
	if documented.TakesValue() {
		if value == "" {
			value = "VALUE"
		}
		names += " " + value
	}
	switch text := documented.GetValue(); text {
	case "", "0", "-1", "0s", "false", "true", "[]":
	default:
		if !strings.Contains(documented.GetUsage(), "default") {
			usage = strings.TrimSpace(usage + " " + translated("(default: "+text+")"))
		}
	}
	return [2]string{names, usage}
}

// splitUsage returns the name of a flag's value, which is in backquotes, and the text without them.
func splitUsage(text string) (value, usage string) {
	before, rest, ok := strings.Cut(text, "`")
	value, after, closed := strings.Cut(rest, "`")
	if !ok || !closed {
		return "", text
	}
	return value, before + value + after
}

// translated returns a text of the help in the user's language. Line breaks are those of the source code.
func translated(text string) string {
	if language.Current() == language.English {
		return text
	}
	return language.Text(strings.Join(strings.Fields(text), " "))
}

func (p *helpPrinter) line(text string) {
	p.out.WriteString(strings.TrimRight(text, " "))
	p.out.WriteByte('\n')
}

func (p *helpPrinter) heading(text string) {
	text = translated(text)
	if p.out.Len() > 0 {
		p.line("")
	}
	text += ":"
	if p.bold {
		text = "\x1b[1m" + text + "\x1b[0m"
	}
	p.line(text)
}

// paragraphs writes paragraphs under a heading. Line breaks in them are those of the source code.
func (p *helpPrinter) paragraphs(heading string, all ...string) {
	p.heading(heading)
	for i, paragraph := range all {
		if i > 0 {
			p.line("")
		}
		p.wrapped("  ", paragraph)
	}
}

// wrapped writes a prefix and text, which continues below its beginning.
func (p *helpPrinter) wrapped(prefix, text string) {
	indent := utf8.RuneCountInString(prefix)
	for i, l := range wrapText(text, p.width-indent) {
		if i == 1 {
			prefix = strings.Repeat(" ", indent)
		}
		p.line(prefix + l)
	}
	if strings.TrimSpace(text) == "" {
		p.line(prefix)
	}
}

// table writes names and texts in two columns. A text begins below names that are too long.
func (p *helpPrinter) table(rows [][2]string) {
	limit, column := min(maxNames, p.width/3), 0
	for _, r := range rows {
		if n := utf8.RuneCountInString(r[0]); n <= limit {
			column = max(column, n)
		}
	}
	if column == 0 {
		column = limit
	}
	for _, r := range rows {
		n := utf8.RuneCountInString(r[0])
		if n <= column {
			p.wrapped("  "+r[0]+strings.Repeat(" ", column-n+2), r[1])
			continue
		}
		p.brokenNames(r[0])
		if r[1] != "" {
			p.wrapped(strings.Repeat(" ", column+4), r[1])
		}
	}
}

// brokenNames writes names, and breaks those that no line can hold after a |.
func (p *helpPrinter) brokenNames(names string) {
	rest := "  " + names
	for utf8.RuneCountInString(rest) > p.width {
		at := breakAt(rest, p.width)
		if at == 0 {
			break
		}
		p.line(rest[:at])
		rest = "        " + strings.TrimLeft(rest[at:], " ")
	}
	p.line(rest)
}

// eachWord returns the words of a text, and the parts of those that are wider than a line: they may
// be broken after | and , and /.
func eachWord(text string, width int) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, word := range strings.Fields(text) {
			for utf8.RuneCountInString(word) > width {
				at := breakAt(word, width)
				if at == 0 {
					break
				}
				if !yield(word[:at]) {
					return
				}
				word = word[at:]
			}
			if !yield(word) {
				return
			}
		}
	}
}

// breakAt returns where to break a word that is wider than a line, or 0.
func breakAt(word string, width int) (at int) {
	for i, r := range word {
		if (r == '|' || r == ',' || r == '/') && utf8.RuneCountInString(word[:i]) < width {
			at = i + 1
		}
	}
	return at % len(word)
}

// wrapText splits text at spaces into lines of at most width characters, if its words allow that.
func wrapText(text string, width int) (lines []string) {
	line := ""
	for word := range eachWord(text, width) {
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
