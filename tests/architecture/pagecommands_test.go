package architecture

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	commandLine = regexp.MustCompile(`(?:^|[(; ])minirun( [a-z][a-z-]*)( [a-z][a-z-]*)?([^;|&#)]*)`)
	longFlag    = regexp.MustCompile(`(?:^|\s)--([a-z][a-z-]*)`)
)

// TestCommandsInPagesExist: each command of minirun in a page for learners has a manual page, which
// has the long flags of the command.
func TestCommandsInPagesExist(t *testing.T) {
	checked := 0
	for page := range translated {
		text, err := os.ReadFile(filepath.Join("../..", page))
		if err != nil {
			t.Fatal(err)
		}
		for _, command := range commandsIn(string(text)) {
			checked++
			for _, problem := range undocumented(command) {
				t.Errorf("%s: %s: %s", page, command, problem)
			}
		}
	}
	if checked < 200 {
		t.Errorf("only %d commands were found", checked)
	}
}

// commandsIn returns the lines and the code spans of a page in which minirun is called.
func commandsIn(text string) (commands []string) {
	fenced, info := false, ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if rest, ok := strings.CutPrefix(line, "```"); ok {
			fenced, info = !fenced, rest
			continue
		}
		switch {
		case !fenced:
			for _, span := range codeSpan.FindAllString(line, -1) {
				if span = strings.Trim(span, "`"); strings.HasPrefix(span, "minirun ") {
					commands = append(commands, span)
				}
			}
		case info != "text" && (strings.HasPrefix(strings.TrimPrefix(line, "sudo "), "minirun ") || strings.HasPrefix(line, "$ ")):
			commands = append(commands, withoutComment(strings.TrimPrefix(line, "$ ")))
		}
	}
	return commands
}

// TestUndocumentedCommandIsFound: the test above can fail.
func TestUndocumentedCommandIsFound(t *testing.T) {
	text := "`minirun plan --only mounts box` and `minirun nosuch`\n\n```\nsudo minirun ps\nminirun ps; minirun run --nosuch box\n```\n"
	var found []string
	for _, command := range commandsIn(text) {
		found = append(found, undocumented(command)...)
	}
	want := "nosuch has no manual page; the manual page of run does not have --nosuch"
	if got := strings.Join(found, "; "); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// undocumented returns the commands and flags in a command line that no manual page has.
func undocumented(line string) (problems []string) {
	for _, m := range commandLine.FindAllStringSubmatch(line, -1) {
		verb := strings.TrimSpace(m[1])
		manual, err := os.ReadFile("../../docs/man/minirun-" + verb + ".8")
		if err != nil {
			problems = append(problems, verb+" has no manual page")
			continue
		}
		text := string(manual)
		if sub, err := os.ReadFile("../../docs/man/minirun-" + verb + "-" + strings.TrimSpace(m[2]) + ".8"); err == nil {
			text = string(sub)
		}
		for _, flag := range longFlag.FindAllStringSubmatch(m[3], -1) {
			if !strings.Contains(text, "Fl -"+flag[1]) {
				problems = append(problems, "the manual page of "+verb+" does not have --"+flag[1])
			}
		}
	}
	return problems
}
