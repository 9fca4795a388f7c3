package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A message is a format string of the source code that users may read, one line of it.
type message struct {
	text     string
	position string // of the first place
}

// extract returns the messages of the programs by area, each in the first area that has it.
func extract(root string) (map[string][]message, error) {
	found := map[string]map[string]string{}
	for _, top := range []string{"cmd", "internal"} {
		err := filepath.WalkDir(filepath.Join(root, top), func(path string, d fs.DirEntry, err error) error {
			name, _ := filepath.Rel(root, path)
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") ||
				isExcluded(name) {
				return err
			}
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			return extractFile(name, data, func(area, text string, p token.Position) {
				if found[area] == nil {
					found[area] = map[string]string{}
				}
				if _, ok := found[area][text]; !ok {
					found[area][text] = p.Filename + ":" + strconv.Itoa(p.Line)
				}
			})
		})
		if err != nil {
			return nil, err
		}
	}
	found["system"] = systemMessages()
	addBuilt(found)
	if err := removeWords(root, found["lab"]); err != nil {
		return nil, err
	}
	return deduplicate(found), nil
}

// removeWords removes the sentences that the labs print with their own catalogue.
func removeWords(root string, found map[string]string) error {
	paths, err := filepath.Glob(filepath.Join(root, "internal/lab/words/catalogue/*/*.json"))
	if err != nil {
		return err
	}
	for _, path := range paths {
		sentences, err := readMessages(path)
		if err != nil {
			return err
		}
		for english := range sentences {
			delete(found, english)
		}
	}
	return nil
}

// deduplicate leaves a message only in the first of its areas, and sorts the messages.
func deduplicate(found map[string]map[string]string) map[string][]message {
	result, seen := map[string][]message{}, map[string]bool{}
	for _, a := range areaNames() {
		for text, position := range found[a] {
			if !seen[text] {
				seen[text] = true
				result[a] = append(result[a], message{text, position})
			}
		}
		slices.SortFunc(result[a], func(x, y message) int { return strings.Compare(x.text, y.text) })
	}
	return result
}

// extractFile calls add for each message in a file.
func extractFile(name string, source []byte, add func(area, text string, p token.Position)) error {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, source, 0)
	if err != nil {
		return err
	}
	e := extractor{file: name, files: files, add: add}
	for _, d := range file.Decls {
		if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.IMPORT {
			continue
		}
		ast.Walk(visitor{&e, context{}}, d)
	}
	return nil
}

type extractor struct {
	file  string
	files *token.FileSet
	add   func(area, text string, p token.Position)
}

// A context is what the source code around a string says about it.
type context struct {
	help bool // the help of a command or a flag
	text bool // certainly for users, even a single word
	data bool // not read by users
	step bool // fields of a step of a plan
}

// A visitor walks through the syntax tree. It stops at strings.
type visitor struct {
	*extractor
	context
}

// Visit implements ast.Visitor.
func (v visitor) Visit(n ast.Node) ast.Visitor {
	switch n := n.(type) {
	case *ast.Field: // tags
		return nil
	case *ast.CallExpr:
		switch name := callName(n); {
		case isDataCall(name):
			if strings.HasPrefix(name, "strings.") { // the first argument may be a text that is changed
				ast.Walk(v, n.Args[0])
				return nil
			}
			v.data = true
		case name == "language.Text" || name == "plural" || name == "pluralize" || name == "t.translate" ||
			name == "p.translate" || name == "b.translate":
			v.text = true
		case name == "p.heading" || name == "p.paragraphs":
			v.help = true
		}
	case *ast.CompositeLit:
		if n.Type != nil { // that of a slice or a map also holds for its elements
			v.step = isStep(n.Type)
		}
	case *ast.KeyValueExpr:
		if key, ok := n.Key.(*ast.Ident); ok {
			v.text = v.text || v.step && key.Name == "Name"
			switch key.Name {
			case "Why", "What", "Found", "Fix":
				v.text = true
			case "Usage", "Description", "Category", "UsageText":
				v.help = true
			case "ArgsUsage", "Aliases", "Args":
				v.data = true
			}
		}
		ast.Walk(v, n.Value)
		if _, ok := n.Key.(*ast.BasicLit); !ok {
			ast.Walk(v, n.Key)
		}
		return nil
	case *ast.AssignStmt:
		v.text = v.text || slices.ContainsFunc(n.Lhs, isFinding)
	case *ast.BinaryExpr:
		if text, ok := constant(n); ok {
			// A step's name may be built before the step.
			v.text = v.text || areaOf(v.file) == "plan" && strings.Contains(text, " ") && text[0] != '/'
			v.report(n, text)
			visitValues(v, n)
			return nil
		}
		if n.Op == token.EQL || n.Op == token.NEQ {
			v.data = true
		}
	case *ast.BasicLit:
		if text, ok := constant(n); ok {
			v.report(n, text)
		}
	}
	return v
}

// visitValues walks through the parts of a concatenation that are not literals.
func visitValues(v visitor, e ast.Expr) {
	switch e := e.(type) {
	case *ast.BinaryExpr:
		visitValues(v, e.X)
		visitValues(v, e.Y)
	case *ast.BasicLit:
	default:
		ast.Walk(v, e)
	}
}

// constant returns the format of a string literal, or of a concatenation with at least one: its other parts
// are %s.
func constant(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind != token.STRING {
			return "", false
		}
		text, err := strconv.Unquote(e.Value)
		return text, err == nil
	case *ast.BinaryExpr:
		if e.Op != token.ADD {
			return "", false
		}
		x, isX := constant(e.X)
		y, isY := constant(e.Y)
		switch {
		case isX && isY:
			return x + y, true
		case isX:
			return x + "%s", true
		case isY:
			return "%s" + y, true
		}
	case *ast.ParenExpr:
		return constant(e.X)
	}
	return "", false
}

var (
	indexes = regexp.MustCompile(`%(\[\d+\])`)
	columns = regexp.MustCompile(`\n| {2,}|\t`)
	value   = regexp.MustCompile("`[^`]*`|%?\\S*[a-z_]*\\.?(usage_in_bytes|current)") // of a flag; a file of a cgroup
	verb    = regexp.MustCompile(`%[-+# 0-9.]*[a-zA-Z]`)
	percent = regexp.MustCompile(`(^|[^%])% `)
)

// report adds the lines of a text.
func (v visitor) report(n ast.Node, text string) {
	if v.data {
		return
	}
	if v.file == catalogueFile {
		if text = catalogueText(text); text == "" {
			return
		}
		v.help = true
	}
	lines := columns.Split(text, -1)
	if v.help { // wrapped: only empty lines count
		lines = strings.Split(text, "\n\n")
	}
	for _, line := range lines {
		line = strings.Join(strings.Fields(line), " ")
		line = percent.ReplaceAllString(line, "$1%% ") // it is not a format
		line = indexes.ReplaceAllString(line, "%")
		line = strings.TrimLeft(strings.TrimPrefix(line, "hint: "), ":;, ")
		if !hasWords(value.ReplaceAllString(line, "")) || isCommand(line) || !v.help && !v.text && !isSentence(line) {
			continue
		}
		area := areaOf(v.file)
		if v.help {
			area = "help"
		}
		v.add(area, line, v.files.Position(n.Pos()))
	}
}

// isFinding reports whether an expression is a text of a [doctor.Finding].
func isFinding(e ast.Expr) bool {
	s, ok := e.(*ast.SelectorExpr)
	return ok && (s.Sel.Name == "Found" || s.Sel.Name == "Fix")
}

// catalogueFile has the headings of the help, and the examples of each command.
const catalogueFile = "internal/cmdline/catalogue.go"

// catalogueText returns the part of a string in the catalogue of commands that is for translation: a heading,
// or the comment of an example.
func catalogueText(text string) string {
	if text == strings.ToUpper(text) {
		return text
	}
	_, comment, _ := strings.Cut(text, " # ")
	return comment
}

// isStep reports whether a type is that of a plan's steps.
func isStep(e ast.Expr) bool {
	s, ok := e.(*ast.SelectorExpr)
	return ok && s.Sel.Name == "Op"
}

// command matches a command line of minirun without other words, which is the same in all languages.
var command = regexp.MustCompile(`^(%s )?minirun( [a-z]+){0,2}( -?-[a-z-]+(=\S+)?| %[a-z]| [A-Z:/.\[\]…]+)*$`)

func isCommand(text string) bool { return command.MatchString(text) }

var word = regexp.MustCompile(`(^|[ ("])[A-Za-z]*[a-z][a-z']+([ ,;:.?)"…]|$)`)

// isSentence reports whether a string is for people: it has two words, and is not a path or a script.
func isSentence(text string) bool {
	text = verb.ReplaceAllString(text, " ")
	if len(word.FindAllString(strings.ReplaceAll(text, " ", "  "), 2)) < 2 {
		return false
	}
	return !strings.HasPrefix(text, "#!") && !strings.HasPrefix(text, "<") && !strings.Contains(text, "&&")
}

// isDataCall reports whether the strings in a call are not for users.
func isDataCall(name string) bool {
	switch name {
	case "regexp.MustCompile", "panic", "debuglog.Printf", "exec.Command", "exec.CommandContext", "strings.Contains",
		"strings.HasPrefix", "strings.HasSuffix", "strings.CutPrefix", "strings.CutSuffix", "strings.TrimPrefix",
		"strings.TrimSuffix", "os.Getenv", "strings.Fields", "strings.SplitSeq", "strings.Split", "strings.Cut":
		return true
	}
	return false
}

func callName(n *ast.CallExpr) string {
	switch f := n.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		if p, ok := f.X.(*ast.Ident); ok {
			return p.Name + "." + f.Sel.Name
		}
		return f.Sel.Name
	}
	return ""
}
