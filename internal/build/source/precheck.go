package source

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/moby/buildkit/util/suggest"
)

// CheckArguments checks that the context of a build and its Dockerfile exist, before anything is done.
// file is "" for the Dockerfile of the context. Contexts that must be fetched, and standard input, are
// not checked.
func CheckArguments(context, file string) error {
	if context == "-" || IsGit(context) || IsURL(context) {
		return nil
	}
	if context == "" {
		return errors.New("build: the context is empty\nhint: run minirun build . in the directory with the " +
			"Dockerfile")
	}
	info, err := os.Stat(context)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("build: the context %q does not exist\nhint: %s", context, hintForContext(context))
	case err != nil:
		return fmt.Errorf("build: cannot read the context: %w", err)
	case info.Mode().IsRegular():
		return fmt.Errorf("build: the context %q is a file, not a directory\nhint: if it is a Dockerfile, run minirun "+
			"build -f %s %s; an archive is read from standard input: minirun build - <%[2]s", context, word(context),
			word(filepath.Dir(context)))
	case !info.IsDir():
		return fmt.Errorf("build: the context %q is not a directory", context)
	}
	if file == "" {
		return checkDefaultDockerfile(context)
	}
	return checkDockerfile(context, file)
}

// hintForContext suggests a directory with a similar name.
func hintForContext(missing string) string {
	list, _ := os.ReadDir(filepath.Dir(missing))
	var names []string
	for _, e := range list {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	if found, ok := suggest.Search(filepath.Base(missing), names, false); ok {
		found = filepath.Join(filepath.Dir(missing), found)
		return fmt.Sprintf("did you mean %s? minirun build %[1]s", word(found))
	}
	return "the context is a directory with the files for the image: in it, run minirun build ."
}

func checkDefaultDockerfile(context string) error {
	for _, name := range []string{DefaultDockerfile, lowerDockerfile} {
		if _, err := os.Lstat(filepath.Join(context, name)); err == nil || !errors.Is(err, fs.ErrNotExist) {
			return nil // an error is reported when it is read
		}
	}
	hint := fmt.Sprintf("create %s, or give another file with -f", filepath.Join(context, DefaultDockerfile))
	if others := dockerfilesIn(context); len(others) > 0 {
		hint = fmt.Sprintf("minirun build -f %s %s", word(filepath.Join(context, others[0])), word(context))
	}
	return fmt.Errorf("build: there is no Dockerfile in the context %q\nhint: %s", context, hint)
}

// dockerfilesIn returns the files of a directory that are named like a Dockerfile.
func dockerfilesIn(dir string) (names []string) {
	list, _ := os.ReadDir(dir)
	for _, e := range list {
		lower := strings.ToLower(e.Name())
		similar := strings.Contains(lower, "dockerfile") || strings.HasPrefix(lower, "containerfile")
		if similar && !strings.HasSuffix(lower, ".dockerignore") && e.Type().IsRegular() {
			names = append(names, e.Name())
		}
	}
	return names
}

// checkDockerfile checks the argument of -f.
func checkDockerfile(context, file string) error {
	if file == "-" || IsURL(file) {
		return nil
	}
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("build: the Dockerfile %q does not exist\nhint: %s", file, hintForDockerfile(context, file))
	case err != nil:
		return fmt.Errorf("build: cannot read the Dockerfile: %w", err)
	case info.IsDir():
		return fmt.Errorf("build: -f %s is a directory, not a Dockerfile\nhint: minirun build -f %s %s", file,
			word(filepath.Join(file, DefaultDockerfile)), word(context))
	}
	return nil
}

// hintForDockerfile suggests a file for -f that exists. A common mistake is a path that is relative
// to the context.
func hintForDockerfile(context, missing string) string {
	if inside := filepath.Join(context, missing); !filepath.IsAbs(missing) && inside != filepath.Clean(missing) {
		if _, err := os.Stat(inside); err == nil {
			return fmt.Sprintf("-f is relative to the current directory: minirun build -f %s %s", word(inside),
				word(context))
		}
	}
	for _, dir := range []string{filepath.Dir(missing), context} {
		if found := dockerfilesIn(dir); len(found) > 0 {
			other := filepath.Join(dir, found[0])
			return fmt.Sprintf("there is %s: minirun build -f %s %s", other, word(other), word(context))
		}
	}
	return "without -f, the file " + DefaultDockerfile + " of the context is read"
}

// word returns a word for a shell.
func word(text string) string {
	if strings.ContainsAny(text, " \t\n'\"\\$`*?[](){}<>|&;#~!") {
		return strconv.Quote(text)
	}
	return text
}
