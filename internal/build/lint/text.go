package lint

import (
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// checkEmptyLines converts the parser's warnings to findings of NoEmptyContinuation.
func (c *checker) checkEmptyLines(warnings []parser.Warning) {
	rule := &linter.RuleNoEmptyContinuation
	for _, w := range warnings {
		if w.URL == rule.URL && w.Location != nil {
			c.lint.Run(rule, []parser.Range{*w.Location}, rule.Format())
		}
	}
}

// checkCasing checks ConsistentInstructionCasing. The majority wins; in a tie, upper case.
func (c *checker) checkCasing(ast *parser.Node) {
	rule := &linter.RuleConsistentInstructionCasing
	capital, small := 0, 0
	for _, n := range ast.Children {
		switch n.Value {
		case strings.ToUpper(n.Value):
			capital++
		case strings.ToLower(n.Value):
			small++
		}
	}
	change, name := strings.ToUpper, "uppercase"
	if small > capital {
		change, name = strings.ToLower, "lowercase"
	}
	for _, n := range ast.Children {
		if n.Value != change(n.Value) {
			c.lint.Run(rule, n.Location(), rule.Format(n.Value, name))
		}
	}
}
