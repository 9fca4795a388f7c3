package logfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// numbered returns the name of a rotated file.
func numbered(path string, n int) string { return path + "." + strconv.Itoa(n) }

// rotated returns the numbers of the rotated files, lowest first.
func rotated(path string) (numbers []int, err error) {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		suffix, ok := strings.CutPrefix(e.Name(), filepath.Base(path)+".")
		if n, err := strconv.Atoi(suffix); ok && err == nil {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

func sameFile(a, b string) bool {
	one, err := os.Stat(a)
	if err != nil {
		return false
	}
	other, err := os.Stat(b)
	return err == nil && os.SameFile(one, other)
}

// A part is an open file of a log. It can be read even after it was removed.
type part struct {
	*os.File
	number int   // the one that it has, or will have after the next rotation
	offset int64 // of the next entry to read
}

func closeAll(parts []*part) {
	for _, p := range parts {
		_ = p.Close()
	}
}

// errRotated reports that files were rotated while they were being opened.
var errRotated = errors.New("the log is being rotated too often")

const openAttempts = 1000

// openParts opens the files of a log whose numbers are higher than after, lowest first. They are
// consecutive. Without a log the error is fs.ErrNotExist.
func openParts(path string, after int) (parts []*part, err error) {
	for range openAttempts {
		if parts, err = tryOpenParts(path, after); !errors.Is(err, errRotated) {
			return parts, err
		}
	}
	return nil, fmt.Errorf("%s: %w", path, err)
}

// tryOpenParts opens the files once. If one was rotated meanwhile, the error is errRotated.
func tryOpenParts(path string, after int) (parts []*part, err error) {
	defer func() {
		if err != nil {
			closeAll(parts)
			parts = nil
		}
	}()
	numbers, err := rotated(path)
	if err != nil {
		return nil, err
	}
	newest := 0
	for _, n := range numbers {
		newest = n
		if n <= after {
			continue
		}
		f, err := os.Open(numbered(path, n))
		if errors.Is(err, fs.ErrNotExist) {
			return parts, errRotated
		}
		if err != nil {
			return parts, err
		}
		parts = append(parts, &part{File: f, number: n})
	}
	current, err := os.Open(path)
	if err != nil {
		return parts, err
	}
	isNumbered, err := isFile(current, numbered(path, newest))
	again, errAgain := rotated(path)
	if err = errors.Join(err, errAgain); err == nil && len(again) > 0 && again[len(again)-1] != newest {
		err = errRotated
	}
	if err != nil || isNumbered || newest < after {
		return parts, errors.Join(err, current.Close())
	}
	if newest == after || len(parts) > 0 {
		parts = append(parts, &part{File: current, number: newest + 1})
	}
	return parts, nil
}

// isFile reports whether a name is that of an open file.
func isFile(f *os.File, name string) (bool, error) {
	this, err := f.Stat()
	if err != nil {
		return false, err
	}
	named, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(this, named), err
}

// blockSize is how much of a file is read at once: more than the longest entry. Tests change it.
var blockSize = 64 << 10

// longestEntry is where the search for the end of an entry ends: it is not one of a Writer.
const longestEntry = 1 << 20

// scan calls show for the entries from the part's offset on that are complete, and moves the offset.
func (p *part) scan(show func(entry) error) (progress bool, err error) {
	block := make([]byte, blockSize)
	skipping := false
	for {
		n, err := p.ReadAt(block, p.offset)
		if err != nil && !errors.Is(err, io.EOF) {
			return progress, err
		}
		used := 0
		for {
			line, _, ok := bytes.Cut(block[used:n], []byte("\n"))
			if !ok {
				break
			}
			used += len(line) + 1
			if e, ok := parse(line); ok && !skipping {
				if err := show(e); err != nil {
					return progress, err
				}
			}
			skipping = false
		}
		switch {
		case used == 0 && n == len(block) && n >= longestEntry:
			used, skipping = n, true
		case used == 0 && n == len(block):
			block = make([]byte, 2*len(block))
			continue
		case used == 0:
			return progress, nil
		}
		p.offset += int64(used)
		progress = true
	}
}
