package labs

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minirun/minirun/tests/testbundle"
)

// TestChrootRuntimeFails: the capstone's runtime with chroot in place of pivot_root starts lab 4's container,
// but a process escapes from it.
func TestChrootRuntimeFails(t *testing.T) {
	testbundle.Need(t)
	text, err := os.ReadFile(filepath.Join(capstone, "solution", "mine.sh"))
	if err != nil {
		t.Fatal(err)
	}
	changed := string(text)
	for _, change := range [][2]string{
		{"\tenter \"$readonly\"\n\tcd \"$cwd\"\n", ""},
		{"\texec \"$@\"\n", "\texec chroot \"$root\" \"$@\"\n"},
	} {
		if strings.Count(changed, change[0]) != 1 {
			t.Fatalf("mine.sh has changed: it has not %q once", change[0])
		}
		changed = strings.Replace(changed, change[0], change[1], 1)
	}
	program := filepath.Join(t.TempDir(), "with-chroot")
	if err := os.WriteFile(program, []byte(changed), 0o755); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(testbundle.Binary, "lab", "check", "4", "--runtime", program).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "it can be read") {
		t.Errorf("%v\n%s", err, out)
	}
}
