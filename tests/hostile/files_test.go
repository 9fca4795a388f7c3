package hostile

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/minirun/minirun/tests/testbundle"
)

// Files that minirun writes for its caller, in a directory like /tmp in which another user has
// planted symbolic links under predictable names: nothing is written through them.
func TestPlantedLinksAreNotWrittenThrough(t *testing.T) {
	const other = 1000
	for _, mode := range []os.FileMode{0o777, 0o777 | os.ModeSticky} {
		b := testbundle.New(t, testbundle.Args("true"))
		b.Write()
		dir, victim := filepath.Join(b.Host, "tmp"), filepath.Join(b.Host, "victim")
		at := func(name string) string { return filepath.Join(dir, name) }
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(victim, []byte("precious"), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{".pid", "pid", "log", "trace", "explain"} {
			if err := os.Symlink(victim, at(name)); err != nil {
				t.Fatal(err)
			}
			if err := os.Lchown(at(name), other, other); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		unharmed := func(what string) {
			t.Helper()
			if text, _ := os.ReadFile(victim); string(text) != "precious" {
				t.Errorf("%v: %s: written through a planted link: %.40q", mode, what, text)
				if err := os.WriteFile(victim, []byte("precious"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
		b.Minirun("run", "--pid-file", at("pid"), b.ID, b.Dir).Exit(t, 0)
		unharmed("--pid-file")
		b.Minirun("--log", at("log"), "run", b.ID, b.Dir).Fails(t, "--log", at("log"))
		unharmed("--log")
		for _, flags := range [][]string{{"--trace=" + at("trace")}, {"--explain", "--explain-to=" + at("explain")}} {
			b.Minirun(append(append([]string{"run"}, flags...), b.ID, b.Dir)...)
			unharmed(flags[len(flags)-1])
		}
		// The check detects what is written through a link that may be followed.
		if err := os.Lchown(at("log"), 0, 0); err != nil {
			t.Fatal(err)
		}
		b.Minirun("--log", at("log"), "run", b.ID, "/no/such/bundle")
		if text, _ := os.ReadFile(victim); !strings.Contains(string(text), "level=error") {
			t.Errorf("%v: the user's own link is not followed: %.80q", mode, text)
		}
	}
}

// A pid file appears complete and replaces a planted link or file.
func TestPidFileReplacesWhatIsPlanted(t *testing.T) {
	b := testbundle.New(t, testbundle.Args("sleep", "1000"))
	pid := filepath.Join(b.Host, "pid")
	if err := os.Symlink("/etc/passwd", pid); err != nil {
		t.Fatal(err)
	}
	b.Detach("--pid-file", pid).Exit(t, 0)
	text, err := os.ReadFile(pid)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := strconv.Atoi(string(text)); err != nil || n < 2 {
		t.Errorf("the pid file has %q", text)
	}
	entries, _ := os.ReadDir(b.Host)
	if len(entries) != 1 {
		t.Errorf("left next to it: %v", entries)
	}
	b.Minirun("delete", "--force", b.ID).Exit(t, 0)
}
