package main

import (
	"go/token"
	"path/filepath"
	"slices"
	"testing"

	"github.com/minirun/minirun/internal/translate"
)

// incomplete are the areas whose messages are not all translated yet. The list only gets shorter.
var incomplete = []string{}

// TestCatalogues: each message has a translation with the same verbs and flags, in all languages, and no
// translation is left of a message that was changed.
func TestCatalogues(t *testing.T) {
	all, err := extract("../..")
	if err != nil {
		t.Fatal(err)
	}
	languages, err := translate.Languages()
	if err != nil || len(languages) == 0 {
		t.Fatalf("%q, %v", languages, err)
	}
	for _, language := range languages {
		c := catalogue{dir: filepath.Join("../..", catalogueDir, language), messages: all}
		if c.areas, err = readAreas(c.dir); err != nil {
			t.Fatal(err)
		}
		for _, area := range areaNames() {
			missing := len(c.missing(area)) > 0
			listed := slices.Contains(incomplete, area)
			if listed && !missing && len(all[area]) > 0 {
				t.Errorf("area %s is complete: remove it from incomplete", area)
			}
			if listed && missing {
				continue
			}
			for _, text := range c.problems(area) {
				t.Errorf("%s: %s\nrun: go run ./tests/messages --missing %s >FILE, fill it in, --add FILE %[3]s", language, text, area)
			}
		}
	}
}

// TestExtractFile: the strings for users are found in all the forms in which the source code has them.
func TestExtractFile(t *testing.T) {
	for source, want := range map[string][]string{
		`fmt.Errorf("cannot open %q: %w\nhint: choose another file", a, b)`: {"cannot open %q: %w", "choose another file"},
		`errors.New("the file is empty")`:                                   {"the file is empty"},
		`"mount %s " + where + " on the root"`:                              {"mount %s %s on the root"},
		`fmt.Errorf("%s of the plan: %[2]d\nstep %[2]d in it", a, b)`:       {"%s of the plan: %d", "step %d in it"},
		`plan.Op{Name: "close", Why: "unused"}`:                             {"close", "unused"},
		`[]plan.Op{{Name: "exit"}}`:                                         nil, // the type says nothing of other slices
		`cli.StringFlag{Name: "root", Usage: "directory", ArgsUsage: ""}`:   {"directory"},
		`cli.Command{Description: "One\ntext.\n\nTwo"}`:                     {"One text.", "Two"},
		`regexp.MustCompile("one or more of these")`:                        nil,
		`x("minirun stop %s")`:                                              nil,
		`x("minirun images lists the images")`:                              {"minirun images lists the images"},
		`x("at most 50% of it")`:                                            {"at most 50%% of it"},
		`strings.TrimPrefix(x + ": unknown flag " + y, ": one thing")`:      {"%s: unknown flag %s"},
		`a == "not a message here"`:                                         nil,
	} {
		var got []string
		err := extractFile("cmd/x.go", []byte("package x\nvar _ = "+source), func(_, text string, _ token.Position) {
			got = append(got, text)
		})
		if err != nil {
			t.Fatalf("%s: %v", source, err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", source, got, want)
		}
	}
}

// TestCompare: a translation with other verbs, without a flag or with another value name is wrong.
func TestCompare(t *testing.T) {
	for _, c := range []struct {
		english, text string
		good          bool
	}{
		{"%s of %q", "%[2]q de %[1]s", true},
		{"%s of %q", "%q de %s", false},
		{"%s of %q", "%s", false},
		{"use --memory", "use --memory", true},
		{"use --memory", "use a memória", false},
		{"read `FILE`", "lê `FILE`", true},
		{"read `FILE`", "lê `ARQUIVO`", false},
		{"in /etc/subuid", "em /etc", false},
	} {
		if problem := compare(c.english, c.text); (problem == "") != c.good {
			t.Errorf("%q, %q: %q", c.english, c.text, problem)
		}
	}
}

// TestAreas: a file belongs to the area with the longest prefix of its path.
func TestAreas(t *testing.T) {
	for file, want := range map[string]string{
		"cmd/minirun-image/build_flags.go": "build", "cmd/minirun-image/store.go": "image", "cmd/minirun/run.go": "cmdline",
		"internal/container/run.go": "container", "internal/container/compile/filter.go": "plan",
		"internal/cgroups/host/host.go": "container", "internal/lab/lab.go": "lab",
	} {
		if got := areaOf(file); got != want {
			t.Errorf("%s: %s, want %s", file, got, want)
		}
	}
}
