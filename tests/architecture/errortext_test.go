package architecture

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"
)

// textFunctions are the functions of package strings whose result usually decides something.
var textFunctions = []string{
	"Contains", "ContainsAny", "ContainsRune", "CutPrefix", "CutSuffix", "EqualFold", "HasPrefix", "HasSuffix", "Index", "LastIndex",
}

// TestErrorTextDecidesNothing: the programs never examine the text of an error. The text is for users,
// and changes.
func TestErrorTextDecidesNothing(t *testing.T) {
	forEachFile(t, func(path, text string) {
		found, err := errorTextUses(strings.TrimPrefix(path, "../../"), text)
		if err != nil {
			t.Fatal(err)
		}
		for _, use := range found {
			t.Errorf("%s: %s examines the text of an error. Use errors.Is or errors.As with a sentinel value or a type",
				use.position, use.function)
		}
	})
}

// An errorTextUse is a place where the text of an error decides something.
type errorTextUse struct{ position, function string }

// errorTextUses finds the comparisons of an error's text in a Go file: with a function of strings or a
// MatchString method, with == or !=, or as the tag of a switch. The text may be in a local variable.
func errorTextUses(path, source string) (out []errorTextUse, err error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, source, 0)
	if err != nil {
		return nil, err
	}
	for _, d := range file.Decls {
		name := "a declaration"
		if f, ok := d.(*ast.FuncDecl); ok {
			name = f.Name.Name
		}
		texts := errorTextVariables(d)
		ast.Inspect(d, func(n ast.Node) bool {
			if slices.ContainsFunc(examined(n), func(e ast.Expr) bool { return isErrorText(e, texts) }) {
				p := files.Position(n.Pos())
				out = append(out, errorTextUse{fmt.Sprintf("%s:%d", p.Filename, p.Line), name})
			}
			return true
		})
	}
	return out, nil
}

// examined returns the expressions whose text a node examines.
func examined(n ast.Node) []ast.Expr {
	switch n := n.(type) {
	case *ast.BinaryExpr:
		if (n.Op == token.EQL || n.Op == token.NEQ) && !isEmpty(n.X) && !isEmpty(n.Y) {
			return []ast.Expr{n.X, n.Y}
		}
	case *ast.SwitchStmt:
		if n.Tag != nil {
			return []ast.Expr{n.Tag}
		}
	case *ast.CallExpr:
		f, ok := n.Fun.(*ast.SelectorExpr)
		if !ok {
			return nil
		}
		p, ok := f.X.(*ast.Ident)
		if ok && p.Name == "strings" && slices.Contains(textFunctions, f.Sel.Name) || f.Sel.Name == "MatchString" {
			return n.Args
		}
	}
	return nil
}

// isEmpty reports whether an expression is nil or "": a comparison with it depends on no text.
func isEmpty(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name == "nil"
	case *ast.BasicLit:
		return e.Value == `""`
	}
	return false
}

// errorTextVariables returns the names of variables that are assigned the text of an error.
func errorTextVariables(d ast.Decl) map[string]bool {
	texts := map[string]bool{}
	ast.Inspect(d, func(n ast.Node) bool {
		if a, ok := n.(*ast.AssignStmt); ok && len(a.Lhs) == len(a.Rhs) {
			for i, e := range a.Rhs {
				if name, ok := a.Lhs[i].(*ast.Ident); ok && isErrorText(e, nil) {
					texts[name.Name] = true
				}
			}
		}
		return true
	})
	return texts
}

// isErrorText reports whether an expression contains a call of Error(), or is a variable with its
// result.
func isErrorText(e ast.Expr, variables map[string]bool) (found bool) {
	if name, ok := e.(*ast.Ident); ok && variables[name.Name] {
		return true
	}
	ast.Inspect(e, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok && len(call.Args) == 0 {
			f, ok := call.Fun.(*ast.SelectorExpr)
			found = found || ok && f.Sel.Name == "Error"
		}
		_, function := n.(*ast.FuncLit)
		return !function
	})
	return found
}

// TestErrorTextUses: the checker itself finds each form, and nothing else.
func TestErrorTextUses(t *testing.T) {
	for line, want := range map[string]bool{
		`return strings.Contains(err.Error(), "gone")`:               true,
		`return strings.HasPrefix(strings.ToLower(err.Error()), "")`: true,
		`return strings.HasSuffix(wrapped.cause.Error(), "x")`:       true,
		`return err.Error() == "EOF"`:                                true,
		`return "EOF" != err.Error()`:                                true,
		`switch err.Error() { case "EOF": return true }`:             true,
		`text := err.Error(); return strings.Contains(text, "x")`:    true,
		`text := err.Error(); return text == "x"`:                    true,
		`_, ok := strings.CutPrefix(err.Error(), "x: "); return ok`:  true,
		`return gone.MatchString(err.Error())`:                       true,
		`if ok := strings.EqualFold(err.Error(), "eof"); ok {}`:      true,

		`return errors.Is(err, io.EOF)`:                               false,
		`return fmt.Errorf("x: %s", err.Error())`:                     false,
		`text := err.Error(); return text + "x"`:                      false,
		`return err == io.EOF`:                                        false,
		`return strings.Contains(log.Error("x"), "x")`:                false,
		`return strings.TrimPrefix(err.Error(), "minirun: ")`:         false, // formatting
		`return strings.Contains(name, "x")`:                          false,
		`if err := c.lint.Error(); err != nil {}`:                     false,
		`first, _, _ := strings.Cut(err.Error(), "\n"); return first`: false, // formatting
	} {
		found, err := errorTextUses("sample.go", "package sample\nfunc sample() any {\n"+line+"\n}\n")
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if got := len(found) > 0; got != want {
			t.Errorf("%s: found %v, want %v", line, found, want)
		}
	}
}
