package architecture

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDecisionsAreListed checks that the index of decisions links each record once, and that no two
// records have the same number.
func TestDecisionsAreListed(t *testing.T) {
	const dir = "../../docs/decisions"
	index, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	records, err := filepath.Glob(filepath.Join(dir, "[0-9]*.md"))
	if err != nil || len(records) < 20 {
		t.Fatalf("%d records, %v", len(records), err)
	}
	numbers := map[string]string{}
	for _, path := range records {
		name := filepath.Base(path)
		if n := strings.Count(string(index), "("+name+")"); n != 1 {
			t.Errorf("docs/decisions/README.md links %s %d times", name, n)
		}
		number, _, _ := strings.Cut(name, "-")
		if other := numbers[number]; other != "" {
			t.Errorf("%s and %s have the same number", other, name)
		}
		numbers[number] = name
	}
}
