package images

import (
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/minirun/minirun/tests/testbundle"
)

// allCommands returns all commands of all programs with their subcommands, as completion offers them.
func allCommands(t *testing.T) (all []string) {
	t.Helper()
	var visit func(words []string)
	visit = func(words []string) {
		out := tool(t, testbundle.Binary, slices.Concat([]string{"__describe"}, words, []string{""})...)
		for line := range strings.Lines(out) {
			fields := strings.Split(strings.TrimSpace(line), "\t")
			if fields[0] == "command" && fields[1] != "bake" { // in minirun-bake, which tests do not build
				below := append(slices.Clone(words), fields[1])
				all = append(all, strings.Join(below, " "))
				if len(below) < 3 {
					visit(below)
				}
			}
		}
	}
	visit(nil)
	if len(all) < 60 {
		t.Fatalf("only %d commands: %q", len(all), all)
	}
	return all
}

// TestHelpOfAllCommands: each command has help with its name and examples; no line is wider than 100
// columns, or 80 without a terminal, except examples.
func TestHelpOfAllCommands(t *testing.T) {
	s := newStore(t)
	for _, command := range append(allCommands(t), "") {
		for _, line := range []string{command + " --help", command + " --help web", "help " + command} {
			r := s.Minirun(strings.Fields(line)...)
			if r.Status != 0 || r.Stderr != "" || !strings.Contains(r.Stdout, "\nUSAGE:\n  minirun") {
				t.Errorf("minirun %s: status %d: %s%s", line, r.Status, r.Stdout, r.Stderr)
				continue
			}
			if !strings.Contains(r.Stdout, "EXAMPLES:\n  ") {
				t.Errorf("minirun %s has no examples: add them to internal/cmdline/catalogue.go", line)
			}
			text, examples, _ := strings.Cut(r.Stdout, "EXAMPLES:\n")
			for l := range strings.Lines(text + examples) {
				wide := utf8.RuneCountInString(strings.TrimRight(l, "\n"))
				if wide > 100 || wide > 80 && !strings.Contains(examples, l) {
					t.Errorf("minirun %s: %d columns: %s", line, wide, l)
				}
			}
		}
	}
	if out := s.Do("--help"); strings.Contains(out, "OTHER COMMANDS") {
		t.Errorf("commands without a group: add them to internal/cmdline/catalogue.go: %s", out)
	}
}

// TestHelpOnTerminal is as wide as the terminal, but not wider than 100 columns. Headings are bold
// unless NO_COLOR is set.
func TestHelpOnTerminal(t *testing.T) {
	for _, c := range []struct {
		columns, most int
		noColor       string
	}{{60, 60, ""}, {200, 100, "1"}} {
		p := testbundle.NewPty(t)
		cmd := exec.Command("sh", "-c", `stty cols "$2"; "$1" run --help; echo finished`, "sh", testbundle.Binary, strconv.Itoa(c.columns))
		cmd.Env = append(cmd.Environ(), "TERM=xterm", "NO_COLOR="+c.noColor)
		p.Attach(cmd)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		out := strings.ReplaceAll(p.Expect("finished"), "\r", "")
		_ = cmd.Wait()
		if bold := strings.Contains(out, "\x1b[1mUSAGE:"); bold != (c.noColor == "") {
			t.Errorf("NO_COLOR=%s: bold is %v", c.noColor, bold)
		}
		text, _, _ := strings.Cut(out, "EXAMPLES")
		widest := 0
		for l := range strings.Lines(text) {
			widest = max(widest, utf8.RuneCountInString(strings.TrimRight(l, "\n")))
		}
		if widest > c.most || widest < c.most-15 {
			t.Errorf("%d columns: the widest line has %d", c.columns, widest)
		}
	}
}

// TestErrorsAreShort: an unknown flag and wrong numbers of arguments are errors of at most four lines
// on standard error, with a hint. Nothing is on standard output, where $(…) would take it.
func TestErrorsAreShort(t *testing.T) {
	s := newStore(t)
	t.Chdir(t.TempDir())
	check := func(status int, words ...string) {
		t.Helper()
		r := s.Minirun(words...)
		if r.Status != status || r.Stdout != "" || !strings.Contains(r.Stderr, "\nhint: ") ||
			strings.Count(r.Stderr, "\n") > 4 || !strings.HasPrefix(r.Stderr, "minirun: ") {
			t.Errorf("minirun %q: status %d, output %q, error %q", words, r.Status, r.Stdout, r.Stderr)
		}
	}
	check(1, "--nope", "ps")
	check(1, "nope")
	for _, command := range allCommands(t) {
		words := strings.Fields(command)
		if words[0] == "run" || command == "container run" {
			check(125, append(words, "--nope", "busybox")...) // as docker run
			check(1, words...)
			continue
		}
		check(1, append(words, "--nope")...)
		usages := argumentsInHelp(s, words)
		if all := strings.Join(usages, " "); len(usages) > 0 && !strings.ContainsAny(all, "…|") && !strings.Contains(all, "...") {
			check(1, append(words, strings.Fields("a b c d e f")...)...)
		}
		optional := func(usage string) bool { return usage == "" || usage[0] < 'A' || usage[0] > 'Z' }
		if len(usages) > 0 && !slices.ContainsFunc(usages, optional) {
			check(1, words...)
		}
	}
}

// argumentsInHelp returns the arguments in each line of a command's usage. There are none for a
// command that only has subcommands.
func argumentsInHelp(s *store, words []string) []string {
	help := s.Do(append(slices.Clone(words), "--help")...)
	if strings.Contains(help, "\nCOMMANDS:\n") {
		return nil
	}
	_, rest, _ := strings.Cut(help, "\nUSAGE:\n")
	usage, _, _ := strings.Cut(rest, "\n\n")
	var lines []string
	for line := range strings.Lines(usage) {
		if _, arguments, ok := strings.Cut(line, "[OPTIONS]"); ok {
			lines = append(lines, strings.TrimSpace(arguments))
		}
	}
	return lines
}
