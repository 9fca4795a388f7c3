package runflags

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"
)

// maxFile is how much of an --env-file or --label-file is read.
const maxFile = 1 << 20

// files returns the lines of all files of a flag.
func (r *reader) files(flag string, read func(io.Reader) ([]string, error)) (all []string) {
	for _, name := range r.list(flag) {
		lines, err := readFile(name, read)
		if err != nil {
			r.fail(flag, name, "%v", err)
		}
		all = append(all, lines...)
	}
	return all
}

func readFile(name string, read func(io.Reader) ([]string, error)) ([]string, error) {
	f, err := os.Open(name)
	if err != nil {
		var path *os.PathError
		if errors.As(err, &path) {
			err = path.Err // the message names the file
		}
		return nil, err
	}
	defer f.Close()
	return read(io.LimitReader(f, maxFile))
}

// readLines returns the lines of a file, without comments and empty lines.
func readLines(from io.Reader) (lines []string, err error) {
	scanner := bufio.NewScanner(from)
	scanner.Buffer(nil, maxFile)
	for n := 1; scanner.Scan(); n++ {
		line := scanner.Text()
		if n == 1 {
			line = strings.TrimPrefix(line, "\ufeff") // a byte-order mark
		}
		if !utf8.ValidString(line) {
			return nil, fmt.Errorf("line %d is not UTF-8", n)
		}
		line = strings.TrimLeft(line, " \t")
		if line == "" || line[0] == '#' {
			continue
		}
		name, _, _ := strings.Cut(line, "=")
		if name == "" || strings.ContainsAny(name, " \t") {
			return nil, fmt.Errorf("line %d: %q: must be NAME=VALUE, without spaces in the name", n, line)
		}
		lines = append(lines, line)
	}
	return lines, scanner.Err()
}

// readEnvironment returns the variables of a file. A name without a value has the value that it has
// for minirun.
func readEnvironment(from io.Reader) (env []string, err error) {
	lines, err := readLines(from)
	for _, line := range lines {
		if entry, ok, _ := environmentEntry(line); ok {
			env = append(env, entry)
		}
	}
	return env, err
}

// environmentEntry takes the value of a NAME given without one from minirun's own environment; if it
// has none either, the variable is omitted.
func environmentEntry(text string) (entry string, ok bool, err error) {
	name, _, has := strings.Cut(text, "=")
	if name == "" {
		return "", false, errors.New("must be NAME[=VALUE]")
	}
	if has {
		return text, true, nil
	}
	value, ok := os.LookupEnv(name)
	return name + "=" + value, ok, nil
}
