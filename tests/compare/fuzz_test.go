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
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sort"
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

// mutation sets one value in config.json, or changes how the runtime is called.
type mutation struct {
	// "process.rlimits.+": + appends; "run.detach", "run.split", "run.flags", "run.verb": the call.
	At    string          `json:"at"`
	Value json.RawMessage `json:"value,omitempty"` // none: the key is removed
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

// keepMountNamespace adds the mount namespace if mutations have removed it: without it, runtimes
// change the mounts of the sandbox.
func keepMountNamespace(config map[string]any) {
	linux, ok := config["linux"].(map[string]any)
	if config["linux"] == nil {
		linux, ok = map[string]any{}, true
		config["linux"] = linux
	}
	if ok && !namespaceOf(config, "mount") {
		namespaces, _ := linux["namespaces"].([]any)
		linux["namespaces"] = append(namespaces, map[string]any{"type": "mount"})
	}
}

// unmarshal keeps numbers as text: 64 bits do not fit into a float64.
func unmarshal(text []byte, to any) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	return decoder.Decode(to)
}

func (run *runOptions) mutate(option string, value json.RawMessage) error {
	switch option {
	case "detach":
		run.detach = true
	case "split":
		run.split = true
	case "flags":
		return json.Unmarshal(value, &run.flags)
	case "preserve":
		return json.Unmarshal(value, &run.preserveFDs)
	case "verb":
		var verb []string
		if err := json.Unmarshal(value, &verb); err != nil {
			return err
		}
		run.verbs = append(run.verbs, verb)
		if verb[0] == "pause" { // otherwise it would never end
			run.verbs = append(run.verbs, []string{"resume", "ID"})
		}
	default:
		return fmt.Errorf("no option %q", option)
	}
	return nil
}

// setAt sets or removes one value. Missing objects on the path are created; an index beyond the end
// of a list, and +, append. If a value on the path has another type because of an earlier mutation,
// nothing is changed.
func setAt(in any, path []string, value any, remove bool) any {
	key := path[0]
	switch node := in.(type) {
	case map[string]any:
		if len(path) > 1 {
			next, ok := node[key]
			if !ok || next == nil {
				next = map[string]any{}
				if path[1] == "+" {
					next = []any{}
				}
			}
			node[key] = setAt(next, path[1:], value, remove)
		} else if remove {
			delete(node, key)
		} else {
			node[key] = value
		}
		return node
	case []any:
		i, err := strconv.Atoi(key)
		switch {
		case remove && (err != nil || i >= len(node)):
		case err != nil || i >= len(node):
			if len(path) > 1 {
				value = setAt(map[string]any{}, path[1:], value, remove)
			}
			return append(node, value)
		case len(path) > 1:
			node[i] = setAt(node[i], path[1:], value, remove)
		case remove:
			return append(node[:i], node[i+1:]...)
		default:
			node[i] = value
		}
		return node
	}
	return in
}

// set writes the bundle: placeholders for paths in the config are replaced, and the root file system
// gets the files that values refer to.
func (c *fuzzCase) set(config map[string]any) func(b *bundle) {
	return func(b *bundle) {
		furnish(b)
		text, err := json.Marshal(config)
		b.check(err)
		if namespaceOf(config, "user") {
			b.chownRoot(100000)
			b.check(chmod(b.dir+"/hooks", 0o666))
		}
		words := []string{"$BUNDLE", b.dir, "$ID", b.id, "$TAG", box.tag, "$PROBE", box.probe}
		if strings.Contains(string(text), "$PAUSE") {
			p := b.holder(pauseFlags, 0, nil, "net", "ipc", "uts")
			words = append(words, "$PAUSE", fmt.Sprintf("/proc/%d/ns", p.pid))
		}
		b.raw = []byte(strings.NewReplacer(words...).Replace(string(text)))
	}
}

// ask returns what the probe has to examine for the config.
func (c *fuzzCase) ask(config map[string]any) ask {
	a := ask{
		Stat:  []string{"/data", "/link-to-data", "/dir", "/dir/file", "/made", "/made/deep", "/tmp", "/run", "/etc/hosts"},
		Read:  []string{"/data", "/dir/file"},
		Calls: someCalls, ReadOnly: []string{"/", "/tmp", "/dir", "/data", "/proc/sys", "/sys", "/sys/fs/cgroup"},
	}
	for _, m := range list(config["mounts"]) {
		if at, ok := object(m)["destination"].(string); ok && strings.HasPrefix(at, "/") {
			a.Stat, a.ReadOnly = append(a.Stat, at), append(a.ReadOnly, at)
		}
	}
	linux := object(config["linux"])
	for key, to := range map[string]*[]string{"maskedPaths": &a.Masked, "readonlyPaths": &a.ReadOnly} {
		for _, path := range list(linux[key]) {
			if at, ok := path.(string); ok && strings.HasPrefix(at, "/") {
				*to = append(*to, at)
			}
		}
	}
	for name := range object(linux["sysctl"]) {
		a.Sysctls = append(a.Sysctls, name)
	}
	sort.Strings(a.Sysctls)
	return a
}

// object and list convert a JSON value that may be of a different type.
func object(value any) map[string]any { o, _ := value.(map[string]any); return o }
func list(value any) []any            { l, _ := value.([]any); return l }

// namespaceOf reports whether the config has a namespace of a type.
func namespaceOf(config map[string]any, kind string) bool {
	for _, n := range list(object(config["linux"])["namespaces"]) {
		if object(n)["type"] == kind {
			return true
		}
	}
	return false
}

func TestSetFieldByPath(t *testing.T) {
	var config map[string]any
	if err := json.Unmarshal([]byte(`{"a":{"b":[1,{"c":2}]},"x":"text"}`), &config); err != nil {
		t.Fatal(err)
	}
	for _, m := range []struct {
		at     string
		value  any
		remove bool
	}{
		{"a.b.+", "new", false}, {"a.b.1.c", 3, false}, {"a.b.0", nil, true}, {"new.list.+", 1, false}, {"x.y", 1, false}, {"a.gone", nil, true},
	} {
		setAt(config, strings.Split(m.at, "."), m.value, m.remove)
	}
	text, err := json.Marshal(config)
	if want := `{"a":{"b":[{"c":3},"new"]},"new":{"list":[1]},"x":"text"}`; err != nil || string(text) != want {
		t.Errorf("%s, %v, want %s", text, err, want)
	}
}
