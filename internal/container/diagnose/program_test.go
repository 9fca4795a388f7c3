package diagnose

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// elf returns the first bytes of a 64-bit little-endian ELF file for a machine.
func elf(machine byte) string {
	head := make([]byte, 64)
	copy(head, "\x7fELF\x02\x01\x01")
	head[18] = machine
	return string(head)
}

// TestExplainProgram: each errno of execve that has several causes is explained by the file
// that is in the container.
func TestExplainProgram(t *testing.T) {
	root := t.TempDir()
	for name, file := range map[string]struct {
		mode os.FileMode
		text string
	}{
		"bin/plain": {0o644, "#!/bin/sh\n"}, "bin/windows": {0o755, "#!/bin/sh\r\n"}, "bin/lost": {0o755, "#!/bin/none\n"},
		"bin/arm": {0o755, elf(183)}, "bin/text": {0o755, "hello\n"}, "bin/sh": {0o755, elf(62)},
	} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(file.text), file.mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name  string
		errno unix.Errno
		want  string
	}{
		{"/bin/missing", unix.ENOENT, ""},
		{"missing", unix.ENOENT, "executable file not found in $PATH"},
		{"plain", unix.EACCES, "without execute permission"},
		{"/bin", unix.EACCES, "is a directory"},
		{"/bin/windows", unix.ENOENT, "carriage return"},
		{"lost", unix.ENOENT, "interpreter /bin/none does not exist"},
		{"arm", unix.ENOEXEC, "aarch64"},
		{"text", unix.ENOEXEC, "neither an ELF file nor a script"},
		{"/bin/sh", unix.EISDIR, ""},
	} {
		p := Program{Name: c.name, Env: []string{"PATH=/usr/bin:/bin"}, Cwd: "/", Roots: []string{root}}
		if got := p.Explain(c.errno); !strings.Contains(got.Cause, c.want) || c.want == "" && got.Cause != "" {
			t.Errorf("%s, %v: %q, want %q", c.name, c.errno, got, c.want)
		}
	}
}

// TestNoExplanationWithHiddenMounts: a program that may be in a mount is not reported as missing.
func TestNoExplanationWithHiddenMounts(t *testing.T) {
	p := Program{Name: "/bin/x", Cwd: "/", Roots: []string{t.TempDir()}}
	if got := p.Explain(unix.ENOENT).Hint; got == "" {
		t.Error("without mounts the file is known to be missing")
	}
	p.HidesMounts = true
	if got := p.Explain(unix.ENOENT).Hint; got != "" {
		t.Errorf("a mount may have it, but: %q", got)
	}
}

// TestProgramErrorHasErrno: errors.Is finds the error number, on which the exit status depends.
func TestProgramErrorHasErrno(t *testing.T) {
	err := error(&ProgramError{Source: "config.json: process.args[0]", Program: "x", Errno: unix.ENOENT, Explanation: Explanation{Cause: "why"}})
	if !errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EACCES) || !strings.HasSuffix(err.Error(), ": why (no such file or directory)") {
		t.Errorf("%v", err)
	}
}
