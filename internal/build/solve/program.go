package solve

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

	"github.com/minirun/minirun/internal/build/graph"
	"github.com/minirun/minirun/internal/build/run"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/regularfile"
)

// This file owns why a program of a RUN did not run. The kernel says ENOENT for a
// program that is not there, for an interpreter that is not, and for a line's end
// that only Windows knows; a shell says "not found" for all of them. What it was
// is seen in the files.

// A startError is a program that could not be executed, in words; what minirun said
// of it is below.
type startError struct {
	text string
	err  error
}

func (e *startError) Error() string { return e.text }

// Unwrap is the cause.
func (e *startError) Unwrap() error { return e.err }

// whyNot adds to the failure of a RUN what is wrong with a program that it names.
func whyNot(op *graph.Run, files image.Stack, err error) error {
	l := &look{op: op, files: files}
	var exit *run.ExitError
	switch shell := len(op.Argv) == 3 && op.Argv[1] == "-c"; {
	case errors.As(err, &exit) && shell && (exit.Status == 126 || exit.Status == 127):
		if why := l.script(op.Argv[2]); why != "" {
			return fmt.Errorf("%w: %s", err, why)
		}
	case exit == nil && strings.Contains(err.Error(), "process.args"):
		why := l.program(op.Argv[0])
		if why == "" {
			break
		}
		if shell && strings.HasPrefix(op.Argv[0], "/") {
			why += ": RUN in shell form needs a shell: use the exec form, RUN [\"program\", \"argument\"], or a base image that has one"
		}
		return &startError{why, err}
	}
	return err
}

// canLook says whether a shell can be had where a RUN has failed: a program has run
// there, or could have.
func canLook(op *graph.Run, err error) bool {
	var exit *run.ExitError
	var start *startError
	return errors.As(err, &exit) || errors.As(err, &start) && op.Argv[0] != "/bin/sh"
}

// A look is what of an image's files says why a program does not run.
type look struct {
	op    *graph.Run
	files image.Stack
}

var (
	commands = regexp.MustCompile(`&&|\|\||[;|&\n]`)
	setting  = regexp.MustCompile(`^[A-Za-z_]\w*=`)
	builtin  = []string{"cd", "set", "export", "if", "then", "else", "fi", "for", "do", "done", "while", "case", "esac", "{", "}", "(", ")", "!", "exec", "[", ".", "echo", "test", "true", "false", "command", "eval", "exit", "umask", "ulimit", "unset", "read", "wait", "trap", "type", "alias"}
)

// script looks at the programs of a shell's text, and says what is wrong with the
// first that cannot be executed.
func (l *look) script(text string) string {
	if why := quotes(text); why != "" {
		return why
	}
	for _, command := range commands.Split(text, -1) {
		words := strings.Fields(command)
		for len(words) > 0 && (setting.MatchString(words[0]) || words[0] == "exec" || words[0] == "then" || words[0] == "do" || words[0] == "!") {
			words = words[1:]
		}
		if len(words) == 0 || slices.Contains(builtin, words[0]) || strings.ContainsAny(words[0], "$`\"'(){}*?<>\\#") {
			continue
		}
		if why := l.program(words[0]); why != "" {
			return why
		}
	}
	return ""
}

// quotes knows an exec form whose quotes are not JSON's, which makes it a text for
// the shell.
func quotes(text string) string {
	text = strings.TrimSpace(text)
	if !strings.HasPrefix(text, "[") || !strings.HasSuffix(text, "]") || !strings.ContainsAny(text, "'“”‘’„«»") {
		return ""
	}
	return "it looks like the exec form, but the quotes of that are JSON's, \", so it was a text for the shell"
}

// program says what is wrong with one; "" is nothing that is to be seen.
func (l *look) program(name string) string {
	if strings.Contains(name, "/") {
		if !path.IsAbs(name) {
			name = path.Join(l.op.Cwd, name)
		}
		return l.file(name)
	}
	var there []string
	for _, dir := range l.path() {
		at := path.Join(dir, name)
		if file, _, err := l.files.Resolve(at); err == nil && file != "" {
			return l.file(at)
		}
		there = append(there, l.names(dir)...)
	}
	text := fmt.Sprintf("%s is in no directory of PATH (%s)", name, strings.Join(l.path(), ":"))
	if name == "sudo" {
		return text + ": RUN is root's already, unless USER says otherwise"
	}
	managers := []string{"apt-get", "apt", "apk", "dnf", "microdnf", "yum", "zypper", "pacman"}
	if slices.Contains(managers, name) {
		for _, m := range managers {
			if slices.Contains(there, m) {
				return fmt.Sprintf("%s: this image has %s", text, m)
			}
		}
		return text
	}
	// Who mistypes a name hits its first letter, mostly: make is not date.
	if found, ok := suggest.Search(name, there, true); ok && strings.HasPrefix(found, name[:min(1, len(name))]) {
		text += ": there is " + found
	}
	return text
}

func (l *look) path() []string {
	for _, e := range l.op.Env {
		if value, ok := strings.CutPrefix(e, "PATH="); ok {
			return strings.Split(value, ":")
		}
	}
	return nil
}

// names are the files of a directory, of all layers: one that a layer has removed
// may be among them.
func (l *look) names(dir string) (out []string) {
	for _, layer := range l.files {
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

// file says what keeps a file from being executed.
func (l *look) file(name string) string {
	file, st, err := l.files.Resolve(name)
	switch {
	case err != nil || file == "":
		return name + " is not in the image"
	case st.Mode&unix.S_IFMT == unix.S_IFDIR:
		return name + " is a directory"
	case st.Mode&0o111 == 0:
		return fmt.Sprintf("%s has mode %04o, without execute permission: RUN chmod +x %s, or COPY --chmod=755", name, st.Mode&0o7777, name)
	}
	if why := l.loader(name, file); why != "" {
		return why
	}
	return l.interpreter(name, file)
}

// loader says whether the program that the kernel starts for a dynamic program is
// missing: it is the C library's, and another base image has another one.
func (l *look) loader(name, file string) string {
	f := regular(file)
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
		if found, _, err := l.files.Resolve(at); err != nil || found == "" {
			return fmt.Sprintf("%s is there, but its loader %s is not: it was made for another C library (Debian has glibc, Alpine musl): take both stages from the same distribution, or link it statically", name, at)
		}
	}
	return ""
}

// interpreter says what is wrong with a script's first line.
func (l *look) interpreter(name, file string) string {
	line := firstLine(file)
	if !strings.HasPrefix(line, "#!") {
		return ""
	}
	if strings.HasSuffix(line, "\r") {
		return fmt.Sprintf("%s has the line ends of Windows, so the kernel looks for an interpreter %q: convert it (dos2unix; in git: *.sh text eol=lf in .gitattributes)",
			name, strings.TrimPrefix(line, "#!"))
	}
	words := strings.Fields(line[2:])
	if len(words) == 0 {
		return ""
	}
	if at, _, err := l.files.Resolve(words[0]); err != nil || at == "" {
		return fmt.Sprintf("%s is there, but its interpreter %s is not", name, words[0])
	}
	if path.Base(words[0]) == "env" && len(words) > 1 && !strings.HasPrefix(words[1], "-") {
		if why := l.program(words[1]); why != "" {
			return fmt.Sprintf("%s is there, but %s", name, why)
		}
	}
	return ""
}

// regular opens a file of a layer, if it is one; nil if not. Resolve has left no link
// in its path.
func regular(file string) *os.File {
	f, err := regularfile.OpenIn(unix.AT_FDCWD, file, unix.RESOLVE_NO_MAGICLINKS)
	if err != nil {
		return nil
	}
	return f
}

func firstLine(file string) string {
	f := regular(file)
	if f == nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	const most = 256 // as the kernel reads (BINPRM_BUF_SIZE)
	line, _ := bufio.NewReaderSize(io.LimitReader(f, most), most).ReadString('\n')
	return strings.TrimSuffix(line, "\n")
}
