// Package hostile runs minirun with images, volumes and neighbouring containers that try to escape
// from a container: one test for each published escape from runc, crun and youki that affects `run`,
// and for the classes to which they belong. The table is in docs/security.md.
//
// A test might pass only because it checks nothing. So each one has a part called "naive" that does
// the unguarded operation, in the temporary mount namespace of the tests, or disables the guard in
// config.json, and asserts that the same check then detects the escape.
package hostile

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/testbundle"
)

func TestMain(m *testing.M) { testbundle.MainWithImages(m) }

// touched returns what has happened to the directory b.Host, which no container may reach: mounts on
// it or below it, and files in it.
func touched(b *testbundle.Bundle) []string {
	var out []string
	for _, m := range testbundle.Mounts("self") {
		if strings.Contains(m, " on "+b.Host) {
			out = append(out, "mount "+m)
		}
	}
	entries, _ := os.ReadDir(b.Host)
	for _, e := range entries {
		out = append(out, "file "+e.Name())
	}
	return out
}

func untouched(t *testing.T, b *testbundle.Bundle) {
	t.Helper()
	for _, what := range touched(b) {
		t.Errorf("the host's directory was reached: %s", what)
	}
}

// naively runs a script with the host's shell, in place of a runtime without the guard, and fails
// unless the check then detects the escape. It cleans up.
func naively(t *testing.T, b *testbundle.Bundle, script string) {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", script)
	cmd.Env = append(os.Environ(), "ROOT="+b.Path("/"), "HOST="+b.Host)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("the naive way does not even work: %v: %s", err, out)
	}
	if len(touched(b)) == 0 {
		t.Errorf("the check does not see what the naive way did: %s", script)
	}
	clean(t, b)
}

// clean removes the mounts on b.Host and the files in it.
func clean(t *testing.T, b *testbundle.Bundle) {
	t.Helper()
	below := func() (list []string) {
		data, _ := os.ReadFile("/proc/self/mountinfo")
		for _, line := range strings.Split(string(data), "\n") {
			if f := strings.Fields(line); len(f) > 4 && (f[4] == b.Host || strings.HasPrefix(f[4], b.Host+"/")) {
				list = append(list, f[4])
			}
		}
		return list
	}
	for list := below(); len(list) > 0; list = below() {
		if err := unix.Unmount(list[len(list)-1], unix.MNT_DETACH); err != nil {
			t.Fatal(err)
		}
	}
	entries, _ := os.ReadDir(b.Host)
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(b.Host, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
}

// toHost returns the forms of a symbolic link at path in the image that lead to b.Host when they are
// followed on the host.
func toHost(t *testing.T, b *testbundle.Bundle, path string) map[string]string {
	t.Helper()
	up, err := filepath.Rel(filepath.Dir(b.Path(path)), b.Host)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"absolute":        b.Host,
		"relative":        up,
		"to .. and back":  "./../" + filepath.Base(filepath.Dir(b.Path(path))) + "/" + up,
		"through proc":    "/proc/1/root" + b.Host,
		"through proc fd": "/proc/self/root" + b.Host,
	}
}
