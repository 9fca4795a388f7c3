package lint

import (
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// emptyLines: NoEmptyContinuation, which the parser reports as a warning.
func (c *checker) emptyLines(warnings []parser.Warning) {
	rule := &linter.RuleNoEmptyContinuation
	for _, w := range warnings {
		if w.URL == rule.URL && w.Location != nil {
			c.lint.Run(rule, []parser.Range{*w.Location}, rule.Format())
		}
	}
}

// casing: ConsistentInstructionCasing. The majority counts; of as many, capitals.
func (c *checker) casing(ast *parser.Node) {
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
			c.at(n.PrevComment).Run(rule, n.Location(), rule.Format(n.Value, name))
		}
	}
}

// legacy: LegacyKeyValueFormat, once for each instruction.
func (c *checker) legacy(ast *parser.Node) {
	rule := &linter.RuleLegacyKeyValueFormat
	for _, n := range ast.Children {
		if !slices.Contains([]string{"ENV", "LABEL"}, strings.ToUpper(n.Value)) {
			continue
		}
		// A name, a value, and what stands between: nothing, if it was white space.
		if n.Next == nil || n.Next.Next == nil || n.Next.Next.Next == nil || n.Next.Next.Next.Value != "" {
			continue
		}
		c.at(n.PrevComment).Run(rule, n.Location(), rule.Format(n.Value))
	}
}
