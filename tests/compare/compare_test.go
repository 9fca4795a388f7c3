// TestCompare: every case under every runtime.
package compare

import (
	"fmt"
	"os"
	"sort"
	"strings"
	"testing"
)

// testCase is one bundle. It starts from `runc spec` with process.terminal false and process.args ["/probe"].
type testCase struct {
	name string
	set  func(b *bundle) // changes b.spec, adds files to b.root, prepares namespaces; nil: as it is
	ask  ask             // what the probe is to look at beyond the usual
	run  runOptions

	// plain: process.args is not the probe; compare standard output, exit status and what is left instead.
	plain bool

	// random: made by the fuzzer, which judges the fields itself.
	random bool

	needs func() string // why it cannot run here, or ""

	// want must hold under the reference and under minirun: proof that the case has the effect it is about. * matches any text.
	want map[string]string

	// noReference says why runc 1.5 cannot be the reference; then nothing is compared, and want must hold under minirun and,
	// if crunToo, under crun.
	noReference string
	crunToo     bool

	// notCrun says why crun is left out.
	notCrun string

	// unsteady names a field that differs between two runs of runc itself in this case, and is therefore not compared.
	unsteady string

	allowed []allowed
}

func allCases() []testCase {
	var all []testCase
	for _, group := range [][]testCase{
		basicCases, namespaceCases, rootfsCases, mountCases, targetCases, deviceCases, pathCases, processCases, schedulingCases, cgroupCases,
		hookCases, seccompCases, networkCases, policyCases, flagCases, stdioCases, terminalCases, failureCases, lifeCases, shapeCases(), systemdCases(), rootlessCases(),
	} {
		all = append(all, group...)
	}
	return all
}

func TestCompare(t *testing.T) {
	if box == nil {
		t.Skip("needs root: it runs containers")
	}
	if reference.path == "" {
		t.Skip("needs runc as the reference: " + reference.missing)
	}
	for _, rt := range runtimes {
		if rt.missing != "" {
			t.Run(strings.ReplaceAll(rt.name, " ", "-")+"-missing", func(t *testing.T) { t.Skip(rt.missing) })
		}
		if rt.unjudged != "" {
			t.Run("reference-missing", func(t *testing.T) {
				t.Skip(rt.unjudged + ": differences are printed and not judged; the cases' own assertions are judged for minirun alone")
			})
		}
	}
	total := totals{needed: map[allowed]bool{}}
	for i, c := range allCases() {
		t.Run(c.name, func(t *testing.T) { c.compare(t, fmt.Sprintf("%s-%d", box.tag, i), &total) })
	}
	t.Logf("%d bundles compared with runc, %d judged by their own assertions, %d declared differences, %d undeclared, %d cases skipped; crun differs from runc in %d fields (not judged)",
		total.compared, total.asserted, total.declared, total.undeclared, total.skipped, total.crun)
	if reference.unjudged == "" && total.compared+total.asserted+total.skipped == len(allCases()) {
		t.Log("declarations that no case needed here:\n" + unneeded(total.needed))
	}
}

type totals struct {
	compared, asserted, declared, undeclared, skipped, crun int

	needed map[allowed]bool // the declarations that covered a difference
}

func (c *testCase) compare(t *testing.T, id string, total *totals) {
	if c.needs != nil {
		if reason := c.needs(); reason != "" {
			total.skipped++
			t.Skip(reason)
		}
	}
	results := map[*ociRuntime]Fields{}
	for _, rt := range runtimes {
		switch {
		case rt.path == "",
			c.noReference != "" && (rt == reference || candidate.missing != "" && rt == candidate),
			c.noReference != "" && !c.crunToo && rt != candidate,
			c.notCrun != "" && rt.name == "crun":
			continue
		}
		fields, err := c.runUnder(t, rt, id)
		if err != nil {
			if rt == candidate || rt == reference && rt.unjudged == "" {
				t.Errorf("%s: %v", rt.name, err)
			} else {
				t.Logf("%s: %v", rt.name, err)
			}
			continue
		}
		results[rt] = fields
		if rt == reference && rt.unjudged == "" || rt == candidate || c.crunToo && rt != reference {
			c.assert(t, rt, fields)
		}
	}
	crun := results[runtimes[2]]
	if c.noReference != "" {
		if len(results) == 0 {
			total.skipped++
			t.Skip("runc is not the reference for this (" + c.noReference + ") and no other runtime here is judged by it")
		}
		total.asserted++
		return
	}
	if results[reference] == nil || results[candidate] == nil {
		return
	}
	total.compared++
	declared := append(append([]allowed{}, c.allowed...), declaredFor(c.name)...)
	if c.unsteady != "" {
		delete(results[reference], c.unsteady)
		delete(results[candidate], c.unsteady)
	}
	var bad, fine []difference
	for _, d := range diff(results[reference], crun, results[candidate], declared) {
		if d.declared == nil {
			bad = append(bad, d)
		} else {
			fine = append(fine, d)
		}
	}
	total.declared += len(fine)
	total.undeclared += len(bad)
	switch {
	case len(bad) == 0:
	case reference.unjudged != "":
		t.Logf("not judged: %d undeclared differences between this runc and %s:\n%s", len(bad), candidate.name, table(bad, candidate.name))
	default:
		t.Errorf("%d undeclared differences between runc and %s:\n%s", len(bad), candidate.name, table(bad, candidate.name))
	}
	for _, d := range fine {
		total.needed[*d.declared] = true
		t.Logf("declared: %s: %q instead of %q: %s", d.field, d.it, d.runc, d.declared.reason)
	}
	if crun != nil {
		between := diff(results[reference], crun, crun, nil)
		total.crun += len(between)
		if len(between) > 0 && os.Getenv("COMPARE_SHOW_CRUN") != "" {
			t.Logf("crun differs from runc in %d fields:\n%s", len(between), table(between, "crun"))
		}
	}
	if dump := os.Getenv("COMPARE_DUMP"); dump != "" && strings.Contains(t.Name(), dump) {
		t.Log("under runc:\n" + dumpFields(results[reference]))
	}
}

// assert checks the case's own expectations under one runtime.
func (c *testCase) assert(t *testing.T, rt *ociRuntime, fields Fields) {
	for name, want := range wanted(c.want) {
		if got := value(fields, name); !glob(want, got) {
			t.Errorf("%s: %s is %q, want %q", rt.name, name, got, want)
		}
	}
}

func dumpFields(f Fields) string {
	var lines []string
	for name, v := range f {
		lines = append(lines, name+" = "+v)
	}
	sort.Strings(lines)
	return strings.Join(lines, "\n")
}
