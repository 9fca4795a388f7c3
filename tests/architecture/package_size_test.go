package architecture

import (
	"path/filepath"
	"strings"
	"testing"
)

// maxPackageLines is the size of the largest package whose parts one person can keep in mind.
const maxPackageLines = 3000

// TestPackagesAreSmall: no package of the programs has more lines than maxPackageLines, without tests
// and generated files.
func TestPackagesAreSmall(t *testing.T) {
	sizes := map[string]int{}
	forEachGoFile(t, func(path string, lines int) {
		program := strings.HasPrefix(path, "cmd/") || strings.HasPrefix(path, "internal/")
		if program && !strings.HasSuffix(path, "_test.go") {
			sizes[filepath.Dir(path)] += lines
		}
	})
	if len(sizes) < 50 {
		t.Errorf("only %d packages were found", len(sizes))
	}
	for name, lines := range sizes {
		if lines > maxPackageLines {
			t.Errorf("%s has %d lines, the limit is %d: move a part with its own subject to a package", name, lines, maxPackageLines)
		}
	}
}
