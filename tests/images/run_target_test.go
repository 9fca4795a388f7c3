package images

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minirun/minirun/tests/testbundle"
)

// TestRunDecidesByWhatExists: in the directory of a Node application, `run busybox` is about the
// image, and a typing error does not ask a registry.
func TestRunDecidesByWhatExists(t *testing.T) {
	s := loaded(t, runs("echo", "image"))
	s.Write()
	project := t.TempDir()
	if err := os.WriteFile(filepath.Join(project, "config.json"), []byte(`{"port": 8080}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(s.Dir, filepath.Join(project, "bundle")); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(project, "webserver"), 0o700); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(s.Dir, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(project, "webserver", "config.json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	in := func(dir string, args ...string) testbundle.Result {
		cmd := s.Command(args...)
		cmd.Dir = dir
		return testbundle.Finish(t, cmd)
	}
	if r := in(project, "run", "--rm", "busybox"); r.Status != 0 || r.Stdout != "image\n" {
		t.Errorf("run busybox: status %d: %s%s", r.Status, r.Stdout, r.Stderr)
	}
	for line, words := range map[string]string{
		"run busybx":               "did you mean busybox?",
		"run webservr":             "did you mean webserver/?",
		"run ./webservr":           "did you mean webserver/?",
		"run webserver/none":       "directory webserver/none does not exist",
		"run a/b/c":                "directory a/b/c does not exist",
		"run --pull never debian":  "no such image",
		"run Busybox":              "hint: use busybox",
		"create busybx":            "did you mean busybox?",
		"run bundle ls":            "a bundle takes no arguments",
		"run --bundle bundle id x": `unexpected argument "x"`,
	} {
		r := in(project, strings.Fields(line)...)
		if r.Status == 0 || !strings.Contains(r.Stderr, words) || strings.Contains(r.Stderr, "pull failed") {
			t.Errorf("%s: status %d: %s", line, r.Status, r.Stderr)
		}
		if n := strings.Count(r.Stderr, "\n"); n > 4 || r.Stdout != "" {
			t.Errorf("%s: %d lines of errors, output %q", line, n, r.Stdout)
		}
	}
	// In a bundle, an ID is an ID: engines run `create ID` and `run ID` there.
	if r := in(s.Dir, "run", "a/b/c"); r.Status == 0 || !strings.Contains(r.Stderr, "directory a/b/c does not exist") {
		t.Errorf("in a bundle: %s", r.Stderr)
	}
	id := fmt.Sprint(name("busybox"))
	if r := in(s.Dir, "run", id); strings.Contains(r.Stderr, "image") {
		t.Errorf("in a bundle, run ID: %s", r.Stderr)
	}
}

// TestRunAnnouncesRegistry: on a terminal, a line announces the request to the registry.
func TestRunAnnouncesRegistry(t *testing.T) {
	s := loaded(t, runs("true"))
	pty := testbundle.NewPty(t)
	cmd := s.Command("run", "--rm", "127.0.0.1:1/none/such:1")
	pty.Attach(cmd)
	s.Start(cmd)
	pty.Expect("image 127.0.0.1:1/none/such:1 is not in the store: pulling it from 127.0.0.1:1")
	if err := cmd.Wait(); err == nil {
		t.Error("it ran")
	}
}
