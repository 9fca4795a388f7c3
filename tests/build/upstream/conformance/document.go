package main

import (
	"fmt"
	"slices"
	"strings"
)

// A reason explains why a test does not pass.
type reason struct {
	applies bool // true: the test fails; false: it does not apply to minirun
	text    string
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
			now = &reason{applies: kind == "fails", text: why}
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

const head = `# BuildKit's Dockerfile tests

` + "`make conformance`" + ` writes this page. It compiles the tests of
` + "`github.com/moby/buildkit/frontend/dockerfile`" + ` from the Go module, in a module of its own (` + "`tests/build/upstream`" + `), and
runs them against minirun. The reasons are in ` + "`tests/build/upstream/reasons.txt`" + `; a test that does not pass and has no
reason there fails the command, and so does a reason that is not needed any more.

**How.** The tests start a ` + "`buildkitd`" + ` and speak to it with BuildKit's client. Here this program is an adapter: it gets contexts, secrets
and agents from the client's session, carries out each build as a command line of ` + "`minirun build`" + `, and sends the result back through the
session. Each test has a store of its own. The adapter has no builder in it: what minirun has no flag for is an error. Lint findings of a
build come from a second command with ` + "`--check`" + `; entitlements that the daemon's configuration does not grant are refused by the adapter, as
minirun has only the flag. A test that is for a client's own frontend (a Go function that calls the gateway) runs as far as it forwards to
` + "`dockerfile.v0`" + `; minirun has no LLB.

**What stands in for what.** Docker Hub is not asked. The tests' registry has, instead of ` + "`busybox`, `alpine`, `amd64/debian`" + ` and
` + "`tonistiigi/hellofs`" + `, images with the machine's own static busybox, its applets, and a passwd and group file like those of the originals.

It needs root, Go, git, busybox (static), a registry (Debian: ` + "`docker-registry`" + `) and ssh-agent, and takes about five minutes on two cores.
`

// write generates the document, and returns the problems with the reasons.
func write(results map[string]*result, declared map[string]reason) (text string, counts map[state]int, wrong []string) {
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
		case s == omitted && why.applies:
			wrong = append(wrong, name+" is skipped, so it does not apply")
		}
		row := fmt.Sprintf("| %s | %s |", name, why.text)
		switch {
		case s == passed:
			passing = append(passing, fmt.Sprintf("| %s | pass |", name))
			counts[passed]++
		case why.applies || !ok:
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
	fmt.Fprintf(&out, "\n**%d of %d pass**, %d fail, %d do not apply.\n", counts[passed], len(results), counts[failed], counts[omitted])
	table(&out, "Fail", "Reason", failing)
	table(&out, "Do not apply", "Reason", other)
	table(&out, "Pass", "", passing)
	return out.String(), counts, wrong
}

func table(out *strings.Builder, title, column string, rows []string) {
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(out, "\n## %s\n\n| Test | %s |\n|---|---|\n%s\n", title, column, strings.Join(rows, "\n"))
}
