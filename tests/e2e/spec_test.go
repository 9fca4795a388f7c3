package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/minirun/minirun/tests/testbundle"
)

// spec --busybox creates a bundle that runs at once: with busybox's programs, these arguments, and no
// terminal unless it is requested.
func TestSpecCreatesRunnableBundle(t *testing.T) {
	b := testbundle.New(t)
	dir := filepath.Join(t.TempDir(), "bundle")
	r := b.Minirun("spec", "--busybox", dir, "--args", "sh", "-c", "echo $1 $(id -un) $(ls / | wc -l)", "sh", "--rootless")
	r.Exit(t, 0)
	has(t, r.Stdout, "created the bundle "+dir, "minirun run "+dir+"/")
	r = b.Minirun("run", b.ID, dir)
	r.Exit(t, 0)
	if words := strings.Fields(r.Stdout); len(words) != 3 || words[0] != "--rootless" || words[1] != "root" {
		t.Errorf("output %q", r.Stdout)
	}
	b.Minirun("spec", "--busybox", dir).Fails(t, "config.json already exists", "hint: choose a new directory")
	b.Minirun("spec", "--busybox", dir, "--bundle", dir).Fails(t, "cannot be combined with --busybox")
	b.Minirun("spec", "ls").Fails(t, `unexpected argument "ls"`)
	b.Minirun("spec", "--args").Fails(t, "--args needs a program")
	for flags, want := range map[string]bool{"": false, "--terminal": true, "--terminal=false": false} {
		dir := filepath.Join(t.TempDir(), "bundle")
		b.Minirun(append([]string{"spec", "--busybox", dir}, strings.Fields(flags)...)...).Exit(t, 0)
		text, err := os.ReadFile(filepath.Join(dir, "config.json"))
		if err != nil || strings.Contains(string(text), `"terminal": true`) != want {
			t.Errorf("%s: %v", flags, err)
		}
	}
	plain := t.TempDir()
	b.Minirun("spec", "--bundle", plain, "--terminal=false", "--args", "ls", "-l").Exit(t, 0)
	text, err := os.ReadFile(filepath.Join(plain, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	has(t, string(text), "\"ls\",\n\t\t\t\"-l\"")
	if strings.Contains(string(text), "terminal") {
		t.Errorf("--terminal=false:\n%s", text)
	}
}

// spec --busybox --rootless creates a bundle that its user runs without privileges.
func TestSpecCreatesRootlessBundle(t *testing.T) {
	testbundle.Need(t)
	home := t.TempDir()
	for dir := home; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	program := filepath.Join(home, "program")
	testbundle.CopyFile(t, testbundle.Binary, program, 0o755)
	const user = 1000
	if err := os.Chown(home, user, user); err != nil {
		t.Fatal(err)
	}
	as := func(args ...string) testbundle.Result {
		t.Helper()
		cmd := exec.Command(program, args...)
		cmd.Dir = home
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "XDG_RUNTIME_DIR=" + home}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: user}}
		return testbundle.Finish(t, cmd)
	}
	r := as("spec", "--rootless", "--busybox", "b", "--args", "id", "-u")
	r.Exit(t, 0)
	has(t, r.Stdout, "run it with: minirun run b/")
	r = as("run", "b/")
	if r.Status != 0 || r.Stdout != "0\n" {
		t.Errorf("status %d, output %q: %s", r.Status, r.Stdout, r.Stderr)
	}
}
