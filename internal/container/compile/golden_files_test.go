package compile

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/spec"
	"github.com/minirun/minirun/tests/golden"
)

var (
	update     = flag.Bool("update", false, "write the golden files again")
	printWhole = flag.Bool("print", false, "print the whole golden plans")
)

const (
	basePrefix  = "base: "
	defaultPlan = "default.plan"
)

// TestGolden: every plan is the one that its golden file describes.
func TestGolden(t *testing.T) {
	texts := goldenTexts(t)
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		t.Run(name, func(t *testing.T) {
			got := texts[name]
			if *update {
				writeGolden(t, name, texts)
			}
			if *printWhole {
				fmt.Print(got)
			}
			if line, g, w := firstDifference(got, readGolden(t, name+".plan")); line > 0 {
				t.Errorf("the plan differs from %s in line %d. -print prints it, -update stores it.\n"+
					" got: %s\nwant: %s",
					goldenFile(name+".plan"), line, g, w)
			}
		})
	}
}

func goldenFile(name string) string { return filepath.Join("..", "testdata", "golden", name) }

// readGolden returns the whole plan that a golden file describes.
func readGolden(t *testing.T, file string) string {
	t.Helper()
	stored, err := os.ReadFile(goldenFile(file))
	if err != nil {
		t.Fatal(err)
	}
	base, difference, derived := cutBase(string(stored))
	if !derived {
		return string(stored)
	}
	lines, err := golden.Apply(relative(readGolden(t, base)), strings.Split(difference, "\n"))
	if err != nil {
		t.Fatalf("%s, difference from %s: %v; -update writes the file again", goldenFile(file), base, err)
	}
	return absolute(lines)
}

// TestEveryGoldenLineCounts: a golden file with any line changed, or any new line removed, describes
// another plan, or none.
func TestEveryGoldenLineCounts(t *testing.T) {
	for name := range goldenTexts(t) {
		stored, err := os.ReadFile(goldenFile(name + ".plan"))
		if err != nil {
			t.Fatal(err)
		}
		base, difference, derived := cutBase(string(stored))
		if !derived {
			continue
		}
		baseLines, lines := relative(readGolden(t, base)), strings.Split(difference, "\n")
		want, err := golden.Apply(baseLines, lines)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range lines {
			changed := slices.Clone(lines)
			changed[i] += "?"
			variants := [][]string{changed}
			if strings.HasPrefix(line, "+") {
				variants = append(variants, slices.Delete(slices.Clone(lines), i, i+1))
			}
			for _, other := range variants {
				if got, err := golden.Apply(baseLines, other); err == nil && slices.Equal(got, want) {
					t.Errorf("%s: line %d has no effect: %s", name, i+2, line)
				}
			}
		}
	}
}

// writeGolden stores a plan as the difference from the same base as before, and first its base.
func writeGolden(t *testing.T, name string, texts map[string]string) {
	t.Helper()
	file, text := goldenFile(name+".plan"), texts[name]
	if name+".plan" != defaultPlan {
		stored, _ := os.ReadFile(file)
		base, _, derived := cutBase(string(stored))
		if !derived {
			base = defaultPlan
		}
		baseName := strings.TrimSuffix(base, ".plan")
		if _, ok := texts[baseName]; !ok || baseName == name {
			t.Fatalf("%s cannot be stored as the difference from %s", file, base)
		}
		writeGolden(t, baseName, texts)
		difference := golden.Difference(relative(texts[baseName]), relative(text))
		text = basePrefix + base + "\n" + strings.Join(difference, "\n") + "\n"
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// cutBase splits a golden file that depends on another file.
func cutBase(stored string) (base, difference string, derived bool) {
	first, difference, _ := strings.Cut(stored, "\n")
	base, derived = strings.CutPrefix(first, basePrefix)
	return base, strings.TrimSuffix(difference, "\n"), derived
}

func firstDifference(got, want string) (line int, g, w string) {
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(a), len(b)) {
		g, w = "(end of file)", "(end of file)"
		if i < len(a) {
			g = a[i]
		}
		if i < len(b) {
			w = b[i]
		}
		if g != w {
			return i + 1, g, w
		}
	}
	return 0, "", ""
}

// TestGoldenFiles: every file belongs to a case, and they include the documents of `minirun spec`.
func TestGoldenFiles(t *testing.T) {
	known := map[string]bool{}
	for _, c := range goldenCases {
		known[c.name+".json"], known[c.name+".plan"] = true, true
	}
	for _, c := range execCases {
		known[c.name+".plan"] = true
	}
	entries, err := os.ReadDir(filepath.Join("..", "testdata", "golden"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !known[e.Name()] {
			t.Errorf("testdata/golden/%s does not belong to a case of goldenCases or execCases", e.Name())
		}
	}
	for name, s := range map[string]*specs.Spec{"default": spec.Default(false),
		"rootless": spec.DefaultRootless(1000, 1000, true)} {
		want, err := spec.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join("..", "testdata", "golden", name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want)+"\n" {
			t.Errorf("testdata/golden/%s.json is not what `minirun spec` writes; it would be:\n%s", name, want)
		}
	}
}
