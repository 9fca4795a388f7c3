package architecture

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// maxFileLines is the length of the longest file that can be read in one sitting.
const maxFileLines = 400

// TestFilesAreShort: no Go file is longer than maxFileLines, tests included. Generated files are not
// counted.
func TestFilesAreShort(t *testing.T) {
	files := 0
	forEachGoFile(t, func(path string, lines int) {
		files++
		if lines > maxFileLines {
			t.Errorf("%s has %d lines, the limit is %d: split it by subject", path, lines, maxFileLines)
		}
	})
	if files < 500 {
		t.Errorf("only %d files were found", files)
	}
}

// forEachGoFile calls do for each Go file of the repository that is not generated.
func forEachGoFile(t *testing.T, do func(path string, lines int)) {
	t.Helper()
	const root = "../.."
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "vendor" || d.Name() == "testdata"):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go"):
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, text, parser.ParseComments|parser.PackageClauseOnly)
		if err == nil && !ast.IsGenerated(file) {
			do(strings.TrimPrefix(path, root+"/"), strings.Count(string(text), "\n"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
