package plan

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"testing"
)

// kernelHeader is the kernel's own list of numbers for each architecture. 64-bit fcntl has another
// name in asm-generic/unistd.h.
var kernelHeader = map[string]string{
	"amd64": "/usr/include/x86_64-linux-gnu/asm/unistd_64.h",
	"arm64": "/usr/include/asm-generic/unistd.h",
}

// TestCallNumbersMatchHeaders compares the numbers with the kernel's headers. TestARM64 runs it for arm64.
func TestCallNumbersMatchHeaders(t *testing.T) {
	path, ok := kernelHeader[runtime.GOARCH]
	if !ok {
		t.Skipf("no header known for %s", runtime.GOARCH)
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("the kernel's headers are not installed: %v (Debian: linux-libc-dev)", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	numbers := map[string]uint32{}
	define := regexp.MustCompile(`^#define __NR(?:3264)?_(\w+)\s+(\d+)$`)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if m := define.FindStringSubmatch(lines.Text()); m != nil {
			n, err := strconv.ParseUint(m[2], 10, 32)
			if err != nil {
				t.Fatal(err)
			}
			numbers[m[1]] = uint32(n)
		}
	}
	if len(numbers) < 250 {
		t.Fatalf("found only %d numbers in %s", len(numbers), path)
	}
	for c := range Call(len(callNumbers)) {
		if want, ok := numbers[c.Name()]; !ok || c.Number() != want {
			t.Errorf("%s: number %d, the kernel's is %d (listed: %v)", c.Name(), c.Number(), want, ok)
		}
	}
}

// TestCallTablesAgree: the three tables contain the same calls, and no two calls share a name or a number.
func TestCallTablesAgree(t *testing.T) {
	if len(callNames) != len(callNumbers) || len(callShapes) != len(callNumbers) {
		t.Fatalf("%d names, %d numbers, %d shapes", len(callNames), len(callNumbers), len(callShapes))
	}
	names := map[string]bool{}
	for c := range Call(len(callNumbers)) {
		if c.Name() == "" || names[c.Name()] {
			t.Errorf("call %d: no name, or one used before: %q", c, c.Name())
		}
		names[c.Name()] = true
		if back, ok := callOf(c.Number()); !ok || back != c {
			t.Errorf("%s: number %d leads to call %d", c.Name(), c.Number(), back)
		}
		if len(callShapes[c]) > MaxArgs {
			t.Errorf("%s: %d shapes", c.Name(), len(callShapes[c]))
		}
		if callShapes[c] == nil {
			t.Errorf("%s: no shapes", c.Name())
		}
	}
}
