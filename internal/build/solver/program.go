package solver

import (
	"bufio"
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/moby/buildkit/util/suggest"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/build/executor"
	"github.com/minirun/minirun/internal/build/graph"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/regularfile"
)

// This file explains why a program of a RUN could not be executed. The kernel returns ENOENT
// for a missing program, for a missing interpreter, and for Windows line endings in the #!
// line; a shell reports "not found" for all of them. The image's files show which one it was.

// A startError explains why a program could not be executed, and wraps minirun's own error.
type startError struct {
	text string
	err  error
}

func (e *startError) Error() string { return e.text }

// Unwrap returns the cause.
func (e *startError) Unwrap() error { return e.err }

// explainStartError adds to the error of a failed RUN why a program that it names could not be executed.
func explainStartError(op *graph.Run, files image.Stack, err error) error {
	c := &programCheck{op: op, files: files}
	var exit *executor.ExitError
	var start *executor.StartError
	switch shell := len(op.Argv) == 3 && op.Argv[1] == "-c"; {
	case errors.As(err, &exit) && shell && (exit.Status == 126 || exit.Status == 127):
		if why := c.checkScript(op.Argv[2]); why != "" {
			return fmt.Errorf("%w\nhint: %s", err, why)
		}
	case errors.As(err, &start):
		why := c.checkProgram(op.Argv[0])
		if why == "" {
			break
		}
		if shell && strings.HasPrefix(op.Argv[0], "/") {
			why += "\nhint: RUN in shell form needs a shell. " +
				"Use the exec form, RUN [\"program\", \"argument\"], or a base image that has one"
		}
		return &startError{why, err}
	}
	return err
}

// canDebug reports whether a shell can be opened where a RUN failed: a program ran there, or
// could have.
func canDebug(op *graph.Run, err error) bool {
	var exit *executor.ExitError
	var start *startError
	return errors.As(err, &exit) || errors.As(err, &start) && op.Argv[0] != "/bin/sh"
}

// A programCheck inspects an image's files to explain why a program does not run.
type programCheck struct {
	op    *graph.Run
	files image.Stack
}

var (
	commands = regexp.MustCompile(`&&|\|\||[;|&\n]`)
	prefixes = []string{"exec", "then", "do", "!"} // of a command
	setting  = regexp.MustCompile(`^[A-Za-z_]\w*=`)
	builtin  = []string{
		"cd",
		"set",
		"export",
		"if",
		"then",
		"else",
		"fi",
		"for",
		"do",
		"done",
		"while",
		"case",
		"esac",
		"{",
		"}",
		"(",
		")",
		"!",
		"exec",
		"[",
		".",
		"echo",
		"test",
		"true",
		"false",
		"command",
		"eval",
		"exit",
		"umask",
		"ulimit",
		"unset",
		"read",
		"wait",
		"trap",
		"type",
		"alias",
	}
)

// checkScript checks the programs in a shell command, and describes the problem with the first one
// that cannot be executed.
func (c *programCheck) checkScript(text string) string {
	if why := checkQuotes(text); why != "" {
		return why
	}
	for _, command := range commands.Split(text, -1) {
		words := strings.Fields(command)
		for len(words) > 0 && (setting.MatchString(words[0]) || slices.Contains(prefixes, words[0])) {
			words = words[1:]
		}
		if len(words) == 0 || slices.Contains(builtin, words[0]) || strings.ContainsAny(words[0], "$`\"'(){}*?<>\\#") {
			continue
		}
		if why := c.checkProgram(words[0]); why != "" {
			return why
		}
	}
	return ""
}

// checkQuotes detects an exec form whose quotes are not valid JSON, so that it was parsed as a
// shell command.
func checkQuotes(text string) string {
	text = strings.TrimSpace(text)
	isList := strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]")
	if !isList || !strings.ContainsAny(text, "'“”‘’„«»") {
		return ""
	}
	return "the command looks like the exec form, but its quotes are not JSON's (\"), so the shell executed it"
}

// checkProgram describes the problem with one program, or returns "" if none is visible.
func (c *programCheck) checkProgram(name string) string {
	if strings.Contains(name, "/") {
		if !path.IsAbs(name) {
			name = path.Join(c.op.Cwd, name)
		}
		return c.checkFile(name)
	}
	var there []string
	for _, dir := range c.searchPath() {
		at := path.Join(dir, name)
		if file, _, err := c.files.Resolve(at); err == nil && file != "" {
			return c.checkFile(at)
		}
		there = append(there, c.listNames(dir)...)
	}
	text := fmt.Sprintf("%s is not in PATH (%s)", name, strings.Join(c.searchPath(), ":"))
	if name == "sudo" {
		return text + "; RUN already runs as root unless USER changes it"
	}
	managers := []string{"apt-get", "apt", "apk", "dnf", "microdnf", "yum", "zypper", "pacman"}
	if slices.Contains(managers, name) {
		for _, m := range managers {
			if slices.Contains(there, m) {
				return fmt.Sprintf("%s, but this image has %s", text, m)
			}
		}
		return text
	}
	// A mistyped name usually has the right first letter: make is not a typo of date.
	if found, ok := suggest.Search(name, there, true); ok && strings.HasPrefix(found, name[:min(1, len(name))]) {
		text += "; did you mean " + found + "?"
	}
	return text
}

func (c *programCheck) searchPath() []string {
	for _, e := range c.op.Env {
		if value, ok := strings.CutPrefix(e, "PATH="); ok {
			return strings.Split(value, ":")
		}
	}
	return nil
}

// listNames lists the files of a directory in all layers. It may include files that a later layer
// removed.
func (c *programCheck) listNames(dir string) (out []string) {
	for _, layer := range c.files {
		at, _, err := image.Stack{layer}.Resolve(dir)
		if err != nil || at == "" {
			continue
		}
		entries, err := os.ReadDir(at)
		if err != nil {
			continue
		}
		for _, e := range entries {
			out = append(out, e.Name())
		}
	}
	return out
}

// checkFile describes why a file cannot be executed.
func (c *programCheck) checkFile(name string) string {
	file, st, err := c.files.Resolve(name)
	switch {
	case err != nil || file == "":
		return name + " is not in the image"
	case st.Mode&unix.S_IFMT == unix.S_IFDIR:
		return name + " is a directory"
	case st.Mode&0o111 == 0:
		return fmt.Sprintf(
			"%s is not executable (mode %04o). Use RUN chmod +x %s or COPY --chmod=755", name, st.Mode&0o7777, name,
		)
	}
	if why := c.checkLoader(name, file); why != "" {
		return why
	}
	return c.checkInterpreter(name, file)
}

// checkLoader reports whether the dynamic loader, which the kernel starts for a dynamically linked
// program, is missing. It belongs to the C library, so it differs between base images.
func (c *programCheck) checkLoader(name, file string) string {
	f := openRegular(file)
	if f == nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	program, err := elf.NewFile(f)
	if err != nil {
		return ""
	}
	for _, p := range program.Progs {
		if p.Type != elf.PT_INTERP || p.Filesz > unix.PathMax {
			continue
		}
		text, err := io.ReadAll(p.Open())
		at := string(bytes.TrimRight(text, "\x00"))
		if err != nil || at == "" {
			return ""
		}
		if found, _, err := c.files.Resolve(at); err != nil || found == "" {
			return fmt.Sprintf(
				"%s exists, but its loader %s does not. It was built for another C library (Debian has glibc, Alpine musl).\n"+
					"Use the same distribution for both stages, or link it statically",
				name,
				at,
			)
		}
	}
	return ""
}

// checkInterpreter describes the problem with a script's #! line.
func (c *programCheck) checkInterpreter(name, file string) string {
	line := firstLine(file)
	if !strings.HasPrefix(line, "#!") {
		return ""
	}
	if strings.HasSuffix(line, "\r") {
		return fmt.Sprintf(
			"%s has Windows line endings, so the kernel looks for the interpreter %q. "+
				"Convert it (dos2unix; in git: *.sh text eol=lf in .gitattributes)",
			name, strings.TrimPrefix(line, "#!"),
		)
	}
	words := strings.Fields(line[2:])
	if len(words) == 0 {
		return ""
	}
	if at, _, err := c.files.Resolve(words[0]); err != nil || at == "" {
		return fmt.Sprintf("%s exists, but its interpreter %s does not", name, words[0])
	}
	if path.Base(words[0]) == "env" && len(words) > 1 && !strings.HasPrefix(words[1], "-") {
		if why := c.checkProgram(words[1]); why != "" {
			return fmt.Sprintf("%s exists, but %s", name, why)
		}
	}
	return ""
}

// openRegular opens a file of a layer if it is a regular file, and otherwise returns nil. Resolve
// has already resolved all links in its path.
func openRegular(file string) *os.File {
	f, err := regularfile.OpenIn(unix.AT_FDCWD, file, unix.RESOLVE_NO_MAGICLINKS)
	if err != nil {
		return nil
	}
	return f
}

func firstLine(file string) string {
	f := openRegular(file)
	if f == nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	const most = 256 // the kernel's limit (BINPRM_BUF_SIZE)
	line, _ := bufio.NewReaderSize(io.LimitReader(f, most), most).ReadString('\n')
	return strings.TrimSuffix(line, "\n")
}
