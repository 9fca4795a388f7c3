package testbundle

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A Page is a page of the documentation. Its console blocks show commands and what they print. The
// commands use the state and images in directories of the test, which the output does not show.
type Page struct {
	English, Portuguese string // path from the root of the module
	Commands            int    // the page has at least this many
}

var (
	consoleBlock = regexp.MustCompile("(?s)```console\n(.*?)```\n")
	hexID        = regexp.MustCompile(`\b[0-9a-f]{12,64}\b`)
	anyNumber    = regexp.MustCompile(`\d+(\.\d+)?`)
	spaces       = regexp.MustCompile(` +`)
)

// Check runs the commands of a page, and compares everything except numbers and column widths with
// the output in the page. With update, it writes the output to the page and to its translation.
func (p Page) Check(t *testing.T, update bool) {
	t.Helper()
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	page := filepath.Join(root, p.English)
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	session := newPageSession(t)
	commands := 0
	written := consoleBlock.ReplaceAllStringFunc(string(text), func(block string) string {
		var out strings.Builder
		for line := range strings.Lines(consoleBlock.FindStringSubmatch(block)[1]) {
			if command, ok := strings.CutPrefix(line, "$ "); ok {
				commands++
				out.WriteString(line + session.run(command))
			}
		}
		return "```console\n" + out.String() + "```\n"
	})
	if commands < p.Commands {
		t.Fatalf("%s has only %d commands", p.English, commands)
	}
	if update {
		p.update(t, root, written)
		return
	}
	was, is := strings.Split(withoutNumbers(string(text)), "\n"), strings.Split(withoutNumbers(written), "\n")
	for i := 0; i < len(was) || i < len(is); i++ {
		if i >= len(was) || i >= len(is) || was[i] != is[i] {
			t.Fatalf("%s, line %d: it has\n%s\nand minirun says\n%s", p.English, i+1, lineAt(was, i), lineAt(is, i))
		}
	}
}

// update writes a page, and its console blocks to the translation.
func (p Page) update(t *testing.T, root, written string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(root, p.English), []byte(written), 0o644); err != nil {
		t.Fatal(err)
	}
	translation := filepath.Join(root, p.Portuguese)
	text, err := os.ReadFile(translation)
	if err != nil {
		t.Fatal(err)
	}
	blocks := consoleBlock.FindAllString(written, -1)
	if n := len(consoleBlock.FindAllString(string(text), -1)); n != len(blocks) {
		t.Fatalf("%s has %d console blocks, and %s has %d", p.Portuguese, n, p.English, len(blocks))
	}
	text = consoleBlock.ReplaceAllFunc(text, func([]byte) []byte {
		block := blocks[0]
		blocks = blocks[1:]
		return []byte(block)
	})
	if err := os.WriteFile(translation, text, 0o644); err != nil {
		t.Fatal(err)
	}
}

// A pageSession runs commands in a directory.
type pageSession struct {
	dir   string
	env   []string
	shows *strings.Replacer // replaces paths of this test by those in the page
	names *strings.Replacer // the reverse
}

func newPageSession(t *testing.T) *pageSession {
	t.Helper()
	dir, bin, state, store := t.TempDir(), t.TempDir(), t.TempDir(), t.TempDir()
	script := fmt.Sprintf("#!/bin/sh\nexec %s --root %s --store %s \"$@\"\n", Binary, state, store)
	if err := os.WriteFile(filepath.Join(bin, "minirun"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "LC_ALL=C", "MINIRUN_LANG=en")
	// On cgroup v2 a container has a cgroup namespace, too; the pages were written on v1.
	shows := strings.NewReplacer(dir, "~", state, "/run/minirun", store, "/var/lib/minirun", " --cgroup --root", " --root")
	names := strings.NewReplacer("/run/minirun", state, "/var/lib/minirun", store)
	s := &pageSession{dir, env, shows, names}
	t.Cleanup(func() { // if a command failed
		s.run(`for id in $(minirun ps -aq); do minirun rm -f "$id"; done; for id in $(minirun list -q); do minirun delete -f "$id"; done`)
	})
	return s
}

// run runs one command of a page, and returns what it prints.
func (s *pageSession) run(command string) string {
	cmd := exec.Command("sh", "-c", s.names.Replace(command))
	cmd.Dir, cmd.Env = s.dir, s.env
	out, _ := cmd.CombinedOutput()
	return s.shows.Replace(string(out))
}

func lineAt(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(the end)"
}

// withoutNumbers removes everything that differs from run to run.
func withoutNumbers(text string) string {
	text = hexID.ReplaceAllString(text, "ID")
	return spaces.ReplaceAllString(anyNumber.ReplaceAllString(text, "N"), " ")
}
