// TestFuzz: random bundles under runc and minirun. A bundle is the shape that one engine writes
// (fuzz_shapes_test.go) with a few mutations (fuzz_values_test.go). Both must accept it or both must
// reject it, and the compared fields must agree, except for the differences in fuzz_declared_test.go.
// A case that differs is reduced, one mutation at a time, and printed so that it can be replayed.
//
//	COMPARE_FUZZ=10000      the number of bundles; default: a sample
//	COMPARE_FUZZ_SEED=7     the first seed, from which the seeds of all bundles are derived
//	COMPARE_FUZZ_CASE=JSON  this bundle, as printed by a failure, or @FILE with one bundle per line
//
// fuzz_values_test.go explains how the host is protected.
package compare

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// fuzzCase is one bundle as data.
type fuzzCase struct {
	Shape     string     `json:"shape"`
	Mutations []mutation `json:"mutations,omitempty"`
}

const fuzzSample = 150 // number of bundles in a normal run

func TestFuzz(t *testing.T) {
	if box == nil {
		t.Skip("needs root: it runs containers")
	}
	if reference.path == "" || reference.unjudged != "" || candidate.missing != "" {
		t.Skip("needs runc 1.5 as the reference: " + reference.missing + reference.unjudged + candidate.missing)
	}
	if onV2() && os.Getenv("COMPARE_FUZZ") == "" {
		t.Skip("the differences that are declared are those of cgroup v1: COMPARE_FUZZ=150 runs the sample all the same")
	}
	cases, err := fuzzCases()
	if err != nil {
		t.Fatal(err)
	}
	begin, failed, counts := time.Now(), 0, map[string]int{}
	for i, c := range cases {
		result := c.compare(t, i)
		counts[result.outcome]++
		if len(result.bad) == 0 {
			continue
		}
		failed++
		small := c.reduce(t, i, result.bad)
		text, err := json.Marshal(small)
		if err != nil {
			t.Fatal(err)
		}
		shown := small.compare(t, i)
		if len(shown.bad) == 0 {
			shown = result
			shown.words += "(not seen again)\n"
		}
		t.Errorf("bundle %d: %d undeclared differences between runc and %s (%d before it was reduced)\nCOMPARE_FUZZ_CASE='%s'\n%s%s",
			i, len(shown.bad), candidate.name, len(result.bad), text, table(shown.bad, candidate.name), shown.words)
		if failed == 40 {
			t.Fatal("and so on")
		}
	}
	t.Logf("%d bundles in %v: %v; %d with an undeclared difference", len(cases), time.Since(begin).Round(time.Second), counts, failed)
}

// fuzzCases returns the given cases, or random ones.
func fuzzCases() (cases []fuzzCase, err error) {
	if given := os.Getenv("COMPARE_FUZZ_CASE"); given != "" {
		if name, ok := strings.CutPrefix(given, "@"); ok {
			given = readOr(name)
		}
		decoder := json.NewDecoder(strings.NewReader(given))
		for decoder.More() {
			var c fuzzCase
			if err := decoder.Decode(&c); err != nil {
				return nil, err
			}
			cases = append(cases, c)
		}
		return cases, nil
	}
	n, seed := uint64(fuzzSample), uint64(1)
	for name, to := range map[string]*uint64{"COMPARE_FUZZ": &n, "COMPARE_FUZZ_SEED": &seed} {
		if text := os.Getenv(name); text != "" {
			if *to, err = strconv.ParseUint(text, 10, 64); err != nil {
				return nil, err
			}
		}
	}
	for i := range n {
		cases = append(cases, randomCase(rand.New(rand.NewPCG(seed, i))))
	}
	return cases, nil
}

// outcome is the result of two runs of one case.
type outcome struct {
	outcome string // "both ran it", "both refused it", "they disagree"
	bad     []difference
	words   string // the runtimes' messages
}

// compare runs the case under both runtimes.
func (c *fuzzCase) compare(t *testing.T, i int) outcome {
	config, run, err := c.config()
	if err != nil {
		t.Fatalf("%+v: %v", c, err)
	}
	test := testCase{name: c.name(config), random: true, set: c.set(config), run: run, ask: c.ask(config)}
	id := fmt.Sprintf("%s-f%d", box.tag, i)
	var fields [2]Fields
	seen := fuzzRun{config: config, run: run}
	for k, rt := range []*ociRuntime{reference, candidate} {
		f, err := test.runUnder(t, rt, id)
		if f == nil {
			text, _ := json.Marshal(c)
			t.Fatalf("bundle %d: %s: %v\nCOMPARE_FUZZ_CASE='%s'", i, rt.name, err, text)
		}
		fields[k] = f
		if failed := new(noReport); errors.As(err, &failed) {
			f.withoutReport()
		} else if err != nil {
			f.set("outcome", "error: "+err.Error())
		} else {
			f.set("outcome", "ran")
		}
		if err != nil {
			seen.said[k] = rt.name + ": " + err.Error() + "\n"
		}
	}
	result := outcome{words: seen.said[0] + seen.said[1], outcome: "both ran it"}
	switch {
	case fields[0]["outcome"] != fields[1]["outcome"]:
		result.outcome = "they disagree"
	case fields[0]["outcome"] != "ran":
		result.outcome = "both refused it"
	}
	// The output of a failed command is the runtime's own wording: only the exit status and the
	// effects are compared.
	for name := range fields[0] {
		if verb, ok := strings.CutSuffix(name, ".stdout"); ok && fields[0][verb+".exit"] != "0" && fields[1][verb+".exit"] != "0" {
			delete(fields[0], name)
			delete(fields[1], name)
		}
	}
	if result.outcome == "they disagree" {
		for _, f := range fields {
			f.keepOutcome()
		}
	}
	declared := append(append(declaredFor(test.name), declaredFor("hooks-fuzz")...), declaredForFuzz(&seen)...)
	for _, d := range diff(fields[0], nil, fields[1], declared) {
		if d.declared == nil {
			result.bad = append(result.bad, d)
		}
	}
	return result
}

// withoutReport reduces a run whose program did not report to the fields that must agree anyway:
// which command rejected it, and that nothing is left. The exit status of the failure depends on
// which part detected it.
func (f Fields) withoutReport() {
	f.set("outcome", "refused")
	for _, name := range []string{"exit", "start.exit"} {
		if f[name] == "0" {
			f.set("outcome", "the program ended without a report")
		}
	}
	if exit, ok := f["start.exit"]; ok && exit != "0" {
		f.set("outcome", "refused at start")
	}
	f.keepOutcome()
}

// keepOutcome removes the fields that cannot be compared if one of the runtimes did not run the
// program.
func (f Fields) keepOutcome() {
	for name := range f {
		if name != "outcome" && !strings.HasPrefix(name, "deleted.") || name == "deleted.cgroup parents" {
			delete(f, name)
		}
	}
}

// reduce removes mutations as long as the case without them still differs in one of the same fields.
func (c fuzzCase) reduce(t *testing.T, i int, bad []difference) fuzzCase {
	differed := map[string]bool{}
	for _, d := range bad {
		differed[d.field] = true
	}
	for k := 0; k < len(c.Mutations); {
		less := fuzzCase{Shape: c.Shape}
		less.Mutations = append(append(less.Mutations, c.Mutations[:k]...), c.Mutations[k+1:]...)
		if slices.ContainsFunc(less.compare(t, i).bad, func(d difference) bool { return differed[d.field] }) {
			c = less
		} else {
			k++
		}
	}
	return c
}

// name returns the name of the corresponding kind of case in TestCompare, so that declarations by
// name apply.
func (c *fuzzCase) name(config map[string]any) string {
	if namespaceOf(config, "user") {
		return "fuzz-" + c.Shape + "-user-namespace"
	}
	return "fuzz-" + c.Shape
}

// config returns the whole config.json, and how the runtime is called.
func (c *fuzzCase) config() (config map[string]any, run runOptions, err error) {
	shape, ok := shapes[c.Shape]
	if !ok {
		return nil, run, fmt.Errorf("no shape %q", c.Shape)
	}
	if err := unmarshal([]byte(shape()), &config); err != nil {
		return nil, run, fmt.Errorf("shape %s: %w", c.Shape, err)
	}
	for _, m := range c.Mutations {
		var value any
		if m.Value != nil {
			if err := unmarshal(m.Value, &value); err != nil {
				return nil, run, fmt.Errorf("%s: %w", m.At, err)
			}
		}
		if option, ok := strings.CutPrefix(m.At, "run."); ok {
			err = run.mutate(option, m.Value)
		} else {
			setAt(config, strings.Split(m.At, "."), value, m.Value == nil)
		}
		if err != nil {
			return nil, run, err
		}
	}
	keepMountNamespace(config)
	// With MS_MOVE instead of pivot_root runc unmounts everything below the root, also in the sandbox
	// if that is its peer.
	if propagation, _ := object(config["linux"])["rootfsPropagation"].(string); strings.HasSuffix(propagation, "shared") {
		run.flags = nil
	}
	return config, run, nil
}
