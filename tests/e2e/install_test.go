package e2e

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestInstallNeedsNoGo: make install installs what was built, without Go in PATH as under sudo, and
// uninstall removes all of it. Without a build, the error names the command to run.
func TestInstallNeedsNoGo(t *testing.T) {
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip("needs make")
	}
	t.Setenv("PATH", "/usr/bin:/bin")
	bin, dest := t.TempDir(), t.TempDir()
	run := func(target string) (string, error) {
		out, err := exec.Command("make", "-C", "../..", "GO=/nonexistent/go", "BIN="+bin, "DESTDIR="+dest, target).CombinedOutput()
		return string(out), err
	}
	out, err := run("install")
	if err == nil || !strings.Contains(out, "hint: run make build first") || len(regularFiles(t, dest)) > 0 {
		t.Errorf("without a build: %v: %s", err, out)
	}
	for _, program := range builtPrograms(t) {
		if err := os.WriteFile(filepath.Join(bin, program), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := run("install"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	installed := strings.Join(regularFiles(t, dest), "\n")
	for _, want := range []string{
		"bin/minirun", "bin/minirun-engine", "share/man/man8/minirun-run.8", "share/bash-completion/completions/minirun",
		"share/zsh/site-functions/_minirun", "share/fish/vendor_completions.d/minirun.fish",
	} {
		if !strings.Contains(installed+"\n", "/usr/local/"+want+"\n") {
			t.Errorf("%s is not installed:\n%s", want, installed)
		}
	}
	if out, err := run("uninstall"); err != nil || len(regularFiles(t, dest)) > 0 {
		t.Errorf("uninstall leaves %q: %v: %s", regularFiles(t, dest), err, out)
	}
}

// builtPrograms returns the programs that make build builds.
func builtPrograms(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\nPROGRAMS := ")
	list, _, _ := strings.Cut(rest, "\n")
	programs := append(strings.Fields(list), "minirun-bake")
	if !slices.Contains(programs, "minirun-image") {
		t.Fatalf("the Makefile builds %q", programs)
	}
	return programs
}

func regularFiles(t *testing.T, dir string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
