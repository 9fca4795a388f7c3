// Command prose checks the English of documentation, comments and messages with vale. vale finds
// comments in Go files by itself, but not messages: prose writes the text of every string to a
// temporary file, on the line that it has in the Go file, so that vale's report names that line.
//
// Usage: go run ./prose [DIRECTORY], in tests/tools.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

func main() {
	root := "../.."
	if len(os.Args) > 1 {
		root = os.Args[1]
	}
	found, err := check(root)
	if err != nil {
		fmt.Fprintln(os.Stderr, "prose:", err)
		os.Exit(2)
	}
	os.Stdout.Write(found)
	if len(found) > 0 {
		os.Exit(1)
	}
}

// check returns vale's report on all tracked files below root, "" if there is none.
func check(root string) ([]byte, error) {
	files, err := trackedFiles(root)
	if err != nil {
		return nil, err
	}
	messages, err := os.MkdirTemp("", "prose-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(messages)
	for _, f := range files {
		if strings.HasSuffix(f, ".go") && !strings.HasSuffix(f, "_test.go") {
			if err := writeMessages(filepath.Join(root, f), filepath.Join(messages, f+".txt")); err != nil {
				return nil, err
			}
		}
	}
	texts, err := vale(root, files...)
	if err != nil {
		return nil, err
	}
	strs, err := vale(root, messages)
	strs = bytes.ReplaceAll(strs, []byte(messages+"/"), nil)
	return append(texts, bytes.ReplaceAll(strs, []byte(".go.txt:"), []byte(".go:"))...), err
}

// trackedFiles returns the files of the repository that contain prose in English.
func trackedFiles(root string) ([]string, error) {
	out, err := exec.Command("git", "-C", root, "ls-files", "-z", "--", "*.go", "*.md", "*.8", ":!*_gen.go", ":!*testdata*", ":!docs/pt-BR").Output()
	if err != nil {
		return nil, fmt.Errorf("git ls-files: %w", err)
	}
	return strings.Split(strings.TrimRight(string(out), "\x00"), "\x00"), nil
}

// vale runs vale on files below root.
func vale(root string, files ...string) ([]byte, error) {
	config, err := filepath.Abs(filepath.Join(root, ".vale.ini"))
	if err != nil {
		return nil, err
	}
	tool, err := exec.Command("go", "tool", "-n", "vale").Output() // builds it if needed
	if err != nil {
		return nil, fmt.Errorf("go tool -n vale: %w", err)
	}
	c := exec.Command(strings.TrimSpace(string(tool)), append([]string{"--config", config, "--output=line"}, files...)...)
	c.Dir, c.Stderr = root, os.Stderr
	out, err := c.Output()
	var status *exec.ExitError
	if errors.As(err, &status) && status.ExitCode() == 1 && len(out) > 0 { // 1: it has findings
		err = nil
	}
	return out, err
}

// writeMessages writes the strings of a Go file that are prose to a text file, each on its own line.
func writeMessages(source, target string) error {
	positions := token.NewFileSet()
	file, err := parser.ParseFile(positions, source, nil, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	var lines []string
	ast.Inspect(file, func(n ast.Node) bool {
		literal, ok := n.(*ast.BasicLit)
		if !ok || literal.Kind != token.STRING {
			return true
		}
		text, err := strconv.Unquote(literal.Value)
		if err != nil || !isProse(text) {
			return true
		}
		for line := positions.Position(literal.Pos()).Line; line > len(lines); {
			lines = append(lines, "")
		}
		lines[len(lines)-1] += strings.ReplaceAll(text, "\n", " ") + ". "
		return true
	})
	if len(lines) == 0 {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
		return err
	}
	return os.WriteFile(target, []byte(strings.Join(lines, "\n")), 0o600)
}

// word matches a word of a sentence, and neither a path nor a flag.
var word = regexp.MustCompile(`^[("]?[A-Za-z]+('s)?[.,;:?!)"]*$`)

// isProse reports whether a string is a text of at least three words.
func isProse(text string) bool {
	words := 0
	for _, field := range strings.Fields(text) {
		if word.MatchString(field) {
			words++
		}
	}
	return words >= 3
}
