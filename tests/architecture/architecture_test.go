// Package architecture enforces the structure of the code: which packages may import which, and what
// the runtime's binary links. Both are data here, checked against the output of the go command, as in
// Go's own go/build/deps_test.go.
package architecture

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/minirun/minirun"

// A goPackage is an entry in the output of `go list -json`.
type goPackage struct {
	ImportPath string
	Standard   bool
	Imports    []string
	Module     *struct{ Path, Version string }
}

func goList(t *testing.T, args ...string) []goPackage {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Standard,Imports,Module"}, args...)...)
	cmd.Dir, cmd.Stderr = root, os.Stderr
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64", "GOWORK=off")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", cmd, err)
	}
	var list []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
}

// TestImportsAreAllowed: packages import only what arrows allows, and all of it is used.
func TestImportsAreAllowed(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range goList(t, "./cmd/...", "./internal/...") {
		from := strings.TrimPrefix(p.ImportPath, module+"/")
		allowed, ok := arrows[from]
		if !ok {
			t.Errorf("%s is new: add a line to arrows (tests/architecture) with the packages that it may import", from)
			continue
		}
		seen[from] = true
		for _, to := range p.Imports {
			to, ours := strings.CutPrefix(to, module+"/internal/")
			if ours && !slices.Contains(strings.Fields(allowed), to) {
				t.Errorf("%s imports internal/%s, which arrows does not allow: move the code that it needs to a lower package, or let the caller pass it", from, to)
			}
		}
	}
	for from := range arrows {
		if !seen[from] && from != "internal/seccomp/gen" {
			t.Errorf("arrows has a line for %s, which does not exist", from)
		}
	}
}

// TestAllowedImportsPointDown: the table itself has no import that points up.
func TestAllowedImportsPointDown(t *testing.T) {
	floor := func(path string) int {
		path = strings.TrimPrefix(path, "internal/")
		n, ok := level[path]
		if !ok {
			first, _, _ := strings.Cut(path, "/")
			n, ok = level[first]
		}
		if !ok {
			t.Errorf("%s has no entry in level", path)
		}
		return n
	}
	for from, list := range arrows {
		for _, to := range strings.Fields(list) {
			if floor(to) <= floor(from) && !strings.HasPrefix(from, "internal/"+to+"/") {
				t.Errorf("arrows allows %s to import %s, which is not on a lower level", from, to)
			}
		}
	}
}

// linked.txt lists the packages that cmd/minirun links, one per line, with a reason after a #.
// Engines start the binary for every step of a container's life, so each package adds to the 1.1 ms
// that starting an empty program takes, for every user.
const linkedFile = "linked.txt"

// TestLinkedPackages: cmd/minirun links exactly the packages in linked.txt.
func TestLinkedPackages(t *testing.T) {
	data, err := os.ReadFile(linkedFile)
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for line := range strings.Lines(string(data)) {
		name, reason, _ := strings.Cut(line, "#")
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		if strings.TrimSpace(reason) == "" {
			t.Errorf("%s: %s has no reason after a #", linkedFile, name)
		}
		listed[name] = true
	}
	linked := map[string]bool{}
	for _, p := range goList(t, "-deps", "-tags", "urfave_cli_no_docs", "./cmd/minirun") {
		// The internals of the standard library are not checked.
		if strings.HasPrefix(p.ImportPath, module+"/") || p.Standard && (strings.Contains(p.ImportPath, "internal") || strings.HasPrefix(p.ImportPath, "vendor/")) {
			continue
		}
		linked[p.ImportPath] = true
		if !listed[p.ImportPath] {
			t.Errorf(`cmd/minirun now links %[1]s. If it is worth the cost, add it to tests/architecture/%[2]s with a reason. Measure first:
	make bench-start                                     the time of a start, before and after
	GODEBUG=inittrace=1 bin/minirun --version            the time of its initialisation
	go list -deps -f '{{.ImportPath}}: {{.Imports}}' ./cmd/minirun | grep %[1]s     which packages import it`, p.ImportPath, linkedFile)
		}
	}
	for name := range listed {
		if !linked[name] {
			t.Errorf("%s lists %s, which is no longer linked: remove the line", linkedFile, name)
		}
	}
}

// TestNoCgo: the product is pure Go, so the binary is static and the build
// needs no C compiler.
func TestNoCgo(t *testing.T) {
	for _, p := range goList(t, "-deps", "-tags", "urfave_cli_no_docs", "./cmd/minirun") {
		if p.ImportPath == "C" || p.ImportPath == "runtime/cgo" || slices.Contains(p.Imports, "C") {
			t.Errorf("%s uses cgo", p.ImportPath)
		}
	}
}

// TestOpenat2IsRetried: openat2(2) fails with EAGAIN while anything on the machine is renamed, so
// it is called in only one place, which retries.
func TestOpenat2IsRetried(t *testing.T) {
	forEachFile(t, func(path, text string) {
		if strings.Contains(text, "unix.Openat2(") && !strings.HasSuffix(path, "internal/regularfile/regularfile.go") && !strings.HasSuffix(path, "internal/doctor/kernel.go") {
			t.Errorf("%s: use regularfile.Openat2", path)
		}
	})
}

// forEachFile reads the source files of the programs, except tests.
func forEachFile(t *testing.T, do func(path, text string)) {
	t.Helper()
	for _, root := range []string{"../../cmd", "../../internal"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			if err == nil {
				do(path, string(text))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
