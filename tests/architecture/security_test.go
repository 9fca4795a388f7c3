package architecture

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// securityPage is the page with the table of published vulnerabilities, relative to this directory.
const securityPage = "../../docs/security.md"

// defaultPackage is the package of tests that the page names without a package.
const defaultPackage = "tests/hostile"

// An advisoryRow is a row of a table whose first column names advisories, or, if numbered is false, a
// class without a number.
type advisoryRow struct {
	line     int
	numbered bool
	cells    []string // first column, mechanism, minirun's answer, tests
}

// TestSecurityTableNamesTests checks the form of docs/security.md and that each test it names exists.
func TestSecurityTableNamesTests(t *testing.T) {
	text, err := os.ReadFile(securityPage)
	if err != nil {
		t.Fatal(err)
	}
	rows := advisoryRows(t, string(text))
	numbered := 0
	for _, r := range rows {
		if r.numbered {
			numbered++
		}
	}
	if numbered < 100 {
		t.Fatalf("only %d rows with advisories were found in the page", numbered)
	}
	seen := map[string]int{}
	exists := testNames(t)
	for _, r := range rows {
		checkNumbers(t, r, seen)
		checkTests(t, r, exists)
	}
	for i, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(line, "|") {
			continue
		}
		for _, name := range testInText.FindAllStringSubmatch(line, -1) {
			exists(t, i+1, name[1])
		}
	}
}

// testInText matches a test named in the text around the tables.
var testInText = regexp.MustCompile("`((?:[a-z][a-z0-9/]* )?(?:Test|Fuzz)[A-Z][A-Za-z0-9]*)`")

// advisoryRows returns the rows of the page's tables.
func advisoryRows(t *testing.T, text string) (rows []advisoryRow) {
	t.Helper()
	numbered, inTable := false, false
	for i, line := range strings.Split(text, "\n") {
		if !strings.HasPrefix(line, "|") {
			inTable = false
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for c := range cells {
			cells[c] = strings.TrimSpace(cells[c])
		}
		switch {
		case !inTable:
			inTable, numbered = true, cells[0] == "Advisory"
			if len(cells) != 4 || cells[3] != "Test" || !numbered && cells[0] != "Class" {
				t.Errorf("line %d: unknown columns of a table: %q", i+1, cells)
			}
		case strings.HasPrefix(cells[0], "---"):
		case len(cells) != 4 || slices.Contains(cells, ""):
			t.Errorf("line %d: %d cells, or an empty cell: a | inside a cell is not supported", i+1, len(cells))
		default:
			rows = append(rows, advisoryRow{i + 1, numbered, cells})
		}
	}
	return rows
}

var (
	advisoryID = regexp.MustCompile(`^(CVE-(20[0-9]{2})-[0-9]{4,7}|GHSA(-[23456789cfghjmpqrvwx]{4}){3})$`)
	project    = regexp.MustCompile(`\([^)]*\)`)
)

// checkNumbers checks that a row begins with advisories, each in only one row, followed by the
// projects in parentheses.
func checkNumbers(t *testing.T, r advisoryRow, seen map[string]int) {
	t.Helper()
	if !r.numbered {
		return
	}
	for id := range strings.SplitSeq(project.ReplaceAllString(r.cells[0], ""), ",") {
		id = strings.TrimSpace(id)
		if !advisoryID.MatchString(id) {
			t.Errorf("line %d: %q is not the number of an advisory", r.line, id)
		}
		if before, twice := seen[id]; twice {
			t.Errorf("line %d: %s is already in line %d", r.line, id, before)
		}
		seen[id] = r.line
	}
}

// checkTests checks that a row names tests that exist, or is marked as not applicable. In that case
// the previous column has the reason, which must not be empty.
func checkTests(t *testing.T, r advisoryRow, exists func(*testing.T, int, string)) {
	t.Helper()
	if r.cells[3] == "not applicable" {
		return
	}
	for name := range strings.SplitSeq(r.cells[3], ", ") {
		plain := strings.Trim(name, "`")
		if name != "`"+plain+"`" {
			t.Errorf("line %d: %s must be `package Test` or \"not applicable\"", r.line, name)
			continue
		}
		exists(t, r.line, plain)
	}
}

// testNames returns a function that checks that a test exists, given as "package Test" or, in
// defaultPackage, as "Test".
func testNames(t *testing.T) func(t *testing.T, line int, name string) {
	t.Helper()
	packages := map[string][]string{}
	return func(t *testing.T, line int, name string) {
		t.Helper()
		dir, test, ok := strings.Cut(name, " ")
		if !ok {
			dir, test = defaultPackage, name
		}
		tests, known := packages[dir]
		if !known {
			tests = testsOf(t, dir)
			packages[dir] = tests
		}
		if !slices.Contains(tests, test) {
			t.Errorf("line %d: there is no test %s in %s: was it renamed?", line, test, dir)
		}
	}
}

// testsOf lists the tests and fuzz targets of a package of this module.
func testsOf(t *testing.T, dir string) (names []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("../..", dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			f, isFunction := d.(*ast.FuncDecl)
			if isFunction && f.Recv == nil && (strings.HasPrefix(f.Name.Name, "Test") || strings.HasPrefix(f.Name.Name, "Fuzz")) {
				names = append(names, f.Name.Name)
			}
		}
	}
	return names
}
