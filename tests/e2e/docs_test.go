package e2e

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/minirun/minirun/tests/testbundle"
)

var update = flag.Bool("update", false, "write the output in docs/see-it.md anew")

// The output in docs/see-it.md is what the commands print, except for numbers and column widths.
//
//	go test ./tests/e2e -run Docs -update
func TestDocsShowRealOutput(t *testing.T) {
	testbundle.Need(t)
	if _, err := exec.LookPath("runc"); err != nil {
		t.Skip("needs runc: apt-get install runc")
	}
	const page = "../../docs/see-it.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	dir, bin := t.TempDir(), t.TempDir()
	if err := os.Symlink(testbundle.Binary, filepath.Join(bin, "minirun")); err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```console\n(.*?)```\n")
	commands := 0
	written := block.ReplaceAllStringFunc(string(text), func(b string) string {
		var out strings.Builder
		for line := range strings.Lines(block.FindStringSubmatch(b)[1]) {
			command, ok := strings.CutPrefix(line, "$ ")
			if !ok {
				continue
			}
			commands++
			cmd := exec.Command("sh", "-c", command)
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "LC_ALL=C")
			got, _ := cmd.CombinedOutput()
			out.WriteString(line)
			out.WriteString(strings.ReplaceAll(string(got), dir, "~"))
		}
		return "```console\n" + out.String() + "```\n"
	})
	if commands < 20 {
		t.Fatalf("only %d commands", commands)
	}
	if *update {
		if err := os.WriteFile(page, []byte(written), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	was, is := strings.Split(plainText(string(text)), "\n"), strings.Split(plainText(written), "\n")
	for i := 0; i < len(was) || i < len(is); i++ {
		if i >= len(was) || i >= len(is) || was[i] != is[i] {
			t.Fatalf("docs/see-it.md, line %d: it has\n%s\nand minirun says\n%s", i+1, at(was, i), at(is, i))
		}
	}
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(the end)"
}

// plainText removes everything that differs from run to run.
func plainText(text string) string {
	text = regexp.MustCompile(`\d+(\.\d+)?`).ReplaceAllString(text, "N")
	return regexp.MustCompile(` +`).ReplaceAllString(text, " ")
}
