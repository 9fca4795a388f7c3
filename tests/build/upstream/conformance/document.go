package main

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
)

// A reason explains why a test does not pass.
type reason struct {
	fails bool // true: the test fails; false: it does not apply to minirun
	text  string
}

// parseReasons parses reasons.txt: a line "fails: REASON" or "does not apply: REASON", followed by
// indented lines with the names of the tests.
func parseReasons(text string) (map[string]reason, error) {
	out := map[string]reason{}
	var now *reason
	for n, line := range strings.Split(text, "\n") {
		switch name := strings.TrimSpace(line); {
		case name == "" || strings.HasPrefix(name, "#"):
		case line == name:
			kind, why, ok := strings.Cut(line, ": ")
			if !ok || kind != "fails" && kind != "does not apply" {
				return nil, fmt.Errorf("reasons.txt:%d: must begin with \"fails: \" or \"does not apply: \"", n+1)
			}
			now = &reason{fails: kind == "fails", text: why}
		case now == nil:
			return nil, fmt.Errorf("reasons.txt:%d: a test without a reason", n+1)
		default:
			if _, twice := out[name]; twice {
				return nil, fmt.Errorf("reasons.txt:%d: %s has two reasons", n+1, name)
			}
			out[name] = *now
		}
	}
	return out, nil
}

//go:embed head.md
var head string

// formatDocument generates the document, and returns the problems with the reasons.
func formatDocument(results map[string]*result, declared map[string]reason) (text string, counts map[state]int,
	wrong []string) {
	counts = map[state]int{}
	names := make([]string, 0, len(results))
	for name := range results {
		names = append(names, name)
	}
	slices.Sort(names)
	var passing, failing, other []string
	for _, name := range names {
		why, ok := declared[name]
		s := results[name].state
		switch {
		case s == passed && ok:
			wrong = append(wrong, name+" passes, and has a reason")
		case s != passed && !ok:
			wrong = append(wrong, name+" has no reason: "+string(s))
		case s == omitted && why.fails:
			wrong = append(wrong, name+" is skipped, so it does not apply")
		}
		row := fmt.Sprintf("| %s | %s |", name, why.text)
		switch {
		case s == passed:
			passing = append(passing, fmt.Sprintf("| %s | pass |", name))
			counts[passed]++
		case why.fails || !ok:
			failing = append(failing, row)
			counts[failed]++
		default:
			other = append(other, row)
			counts[omitted]++
		}
	}
	for name := range declared {
		if results[name] == nil {
			wrong = append(wrong, name+" has a reason, and is not a test")
		}
	}
	slices.Sort(wrong)
	var out strings.Builder
	out.WriteString(head)
	fmt.Fprintf(&out, "\n**%d of %d pass**, %d fail, %d do not apply.\n", counts[passed], len(results),
		counts[failed], counts[omitted])
	writeTable(&out, "Fail", "Reason", failing)
	writeTable(&out, "Do not apply", "Reason", other)
	writeTable(&out, "Pass", "", passing)
	return out.String(), counts, wrong
}

func writeTable(out *strings.Builder, title, column string, rows []string) {
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(out, "\n## %s\n\n| Test | %s |\n|---|---|\n%s\n", title, column, strings.Join(rows, "\n"))
}
