package solver

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minirun/minirun/internal/build/executor"
	"github.com/minirun/minirun/internal/build/graph"
	"github.com/minirun/minirun/internal/image"
)

// TestExplainStartError: the reason that is reported for a program that cannot be executed. It depends
// on the type of the error and the files of the image, and not on the text of the error.
func TestExplainStartError(t *testing.T) {
	dir := layerWith(t, "bin/make=x", "bin/apt-get=x", "bin/script=#!/bin/nosuchsh\n", "bin/crlf=#!/bin/make\r\n",
		"bin/env=#!/bin/env nosuchprogram\n", "bin/plain=x", "etc/")
	for _, name := range []string{"make", "apt-get", "script", "crlf", "env"} {
		if err := os.Chmod(filepath.Join(dir, "bin", name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	start := &executor.StartError{Message: "cannot execute"}
	exit := func(status int) error { return &executor.ExitError{Status: status} }
	shell := func(command string) []string { return []string{"/bin/sh", "-c", command} }
	for _, c := range []struct {
		name string
		argv []string
		err  error
		want string // in the error; "": it is unchanged
	}{
		{"another error", []string{"makes"}, errors.New("process.args: other"), ""},
		{"not in PATH", []string{"makes"}, start, "makes is not in PATH (/usr/bin:/bin); did you mean make?"},
		{"nothing similar", []string{"zzz"}, start, "zzz is not in PATH (/usr/bin:/bin)"},
		{"sudo", []string{"sudo"}, start, "RUN already runs as root"},
		{"another package manager", []string{"apk"}, start, "but this image has apt-get"},
		{"not in the image", []string{"/bin/none"}, start, "/bin/none is not in the image"},
		{"relative to the working directory", []string{"./none"}, start, "/w/none is not in the image"},
		{"a directory", []string{"/etc"}, start, "/etc is a directory"},
		{"not executable", []string{"/bin/plain"}, start, "/bin/plain is not executable (mode 0644)"},
		{"no interpreter", []string{"script"}, start, "/bin/script exists, but its interpreter /bin/nosuchsh does not"},
		{"Windows line endings", []string{"crlf"}, start, "/bin/crlf has Windows line endings"},
		{"env finds nothing", []string{"env"}, start, "/bin/env exists, but nosuchprogram is not in PATH"},
		{"nothing is wrong with the file", []string{"make"}, start, ""},
		{"no shell", shell("make"), start, "RUN in shell form needs a shell"},
		{"shell: not found", shell("A=1 exec makes all"), exit(127), "hint: makes is not in PATH"},
		{"shell: the second command", shell("cd /w && make && makes"), exit(127), "hint: makes is not in PATH"},
		{"shell: not executable", shell("/bin/plain"), exit(126), "hint: /bin/plain is not executable"},
		{"shell: another status", shell("makes"), exit(1), ""},
		{"shell: all programs exist", shell("make"), exit(127), ""},
		{"shell: a variable", shell("$TOOL"), exit(127), ""},
		{"shell: a list with wrong quotes", shell("['make', 'all']"), exit(127), "looks like the exec form"},
		{"exec form: the program's own status", []string{"make"}, exit(127), ""},
	} {
		op := &graph.Run{Argv: c.argv, Env: []string{"PATH=/usr/bin:/bin"}, Cwd: "/w"}
		got := explainStartError(op, image.Stack{dir}, c.err)
		if !errors.Is(got, c.err) {
			t.Errorf("%s: %v does not wrap %v", c.name, got, c.err)
		}
		if c.want == "" && got.Error() != c.err.Error() || !strings.Contains(got.Error(), c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
