package main

import (
	"regexp"
	"slices"
	"strings"
)

// A state is the outcome of a test.
type state string

const (
	passed  state = "pass"
	failed  state = "fail"
	omitted state = "skip"
)

// A result is the result of a test in all its variants: the test fails if one variant fails, and is
// skipped if all are.
type result struct {
	state state
}

var (
	current  = regexp.MustCompile(`^=== (?:NAME|RUN|CONT) +TestIntegration/(\w+)/`)
	started  = regexp.MustCompile(`(?m)^=== RUN +TestIntegration/(\w+)/\S*worker=`)
	ended    = regexp.MustCompile(`(?m)^    --- (PASS|FAIL|SKIP): TestIntegration/(\w+)/`)
	panicked = regexp.MustCompile(`(?m)^github\.com/moby/buildkit/frontend/dockerfile\.(test\w+)\(`)
)

// The messages of skipped tests that are only for a client frontend, or for images that are in
// containerd.
var (
	forClients    = regexp.MustCompile(`: (only test with client frontend|not a client frontend)`)
	forContainerd = regexp.MustCompile(`: .*\b(only for|requires) containerd worker`)
)

// testsWithMessage returns the tests whose output matches an expression.
func testsWithMessage(out string, what *regexp.Regexp) (names []string) {
	name := ""
	for _, line := range strings.Split(out, "\n") {
		if m := current.FindStringSubmatch(line); m != nil {
			name = m[1]
		} else if what.MatchString(line) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// addResults adds the results in an output, and returns the tests that started and have no result. The
// test that panicked counts as failed.
func addResults(results map[string]*result, out string) (missing []string) {
	found := map[string]state{}
	for _, m := range ended.FindAllStringSubmatch(out, -1) {
		s := map[string]state{"PASS": passed, "FAIL": failed, "SKIP": omitted}[m[1]]
		if before, ok := found[m[2]]; !ok || before == omitted || s == failed {
			found[m[2]] = s
		}
	}
	if m := panicked.FindStringSubmatch(out); m != nil {
		name := "T" + m[1][1:]
		if _, ok := found[name]; !ok {
			found[name] = failed
		}
	}
	for name, s := range found {
		before := results[name]
		if before == nil || before.state == omitted {
			results[name] = &result{state: s}
		}
	}
	for _, m := range started.FindAllStringSubmatch(out, -1) {
		if results[m[1]] == nil && !slices.Contains(missing, m[1]) {
			missing = append(missing, m[1])
		}
	}
	return missing
}
