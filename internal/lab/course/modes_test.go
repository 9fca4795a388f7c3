package course

import (
	"strings"
	"testing"
	"testing/fstest"
)

// TestModesAreChecked: a mode must be octal permissions, and its path must stay in the start state.
func TestModesAreChecked(t *testing.T) {
	for modes, want := range map[string]string{
		`{a: "0644"}`:    "",
		`{a/b: "0700"}`:  "",
		`{a: "0999"}`:    "modes: a",
		`{a: "4755"}`:    "modes: a",
		`{../a: "0644"}`: "modes: ../a",
		`{/a: "0644"}`:   "modes: /a",
	} {
		yaml := "number: 1\nminutes: 1\nchecks: [{id: a}]\npredict: [a]\nmodes: " + modes + "\n"
		_, err := ReadLab(fstest.MapFS{"lab.yaml": {Data: []byte(yaml)}}, "01-a")
		// Without an error in lab.yaml, the missing text is the next one.
		if want == "" {
			want = "en.md"
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("modes: %s: error %v does not name %q", modes, err, want)
		}
	}
}
