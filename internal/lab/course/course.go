// Package course reads labs: a directory with lab.yaml, which says what a lab starts with and what is
// checked, and its texts en.md and pt-BR.md. It only reads files; nothing depends on the host.
//
//	course.go   all labs, in order
//	lab.go      lab.yaml
//	text.go     the texts
//	values.go   random values, which make each learner's lab different
package course

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A Course is a list of labs, in the order of their numbers.
type Course struct{ Labs []*Lab }

// Read reads all labs of a file system that has a directory for each.
func Read(files fs.FS) (*Course, error) {
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		return nil, err
	}
	c := &Course{}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		below, err := fs.Sub(files, e.Name())
		if err != nil {
			return nil, err
		}
		l, err := ReadLab(below, e.Name())
		if err != nil {
			return nil, fmt.Errorf("lab %s: %w", e.Name(), err)
		}
		c.Labs = append(c.Labs, l)
	}
	return c, nil
}

// ErrNoLab is the cause of the error of Find if there is no such lab.
var ErrNoLab = errors.New("no such lab")

// Find returns the lab that a word names: its number, its name, or both as in its directory.
func (c *Course) Find(word string) (*Lab, error) {
	for _, l := range c.Labs {
		if strings.EqualFold(word, l.Number) || strings.TrimLeft(word, "0") == l.Number || word == l.Name || word == l.Dir {
			return l, nil
		}
	}
	first, last := c.Labs[0].Number, c.Labs[len(c.Labs)-1].Number
	return nil, fmt.Errorf("%w: %q (labs: %s to %s)\nhint: minirun lab list", ErrNoLab, word, first, last)
}

// After returns the lab that follows, in the fast track if the lab belongs to it and fast is set. It
// returns nil after the last one.
func (c *Course) After(l *Lab, fast bool) *Lab {
	at := slices.Index(c.Labs, l)
	for _, next := range c.Labs[at+1:] {
		if !fast || next.Fast {
			return next
		}
	}
	return nil
}

// ReadDir reads the lab in a directory of the host.
func ReadDir(dir string) (*Lab, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	l, err := ReadLab(os.DirFS(dir), filepath.Base(dir))
	if err != nil {
		return nil, fmt.Errorf("lab %s: %w", dir, err)
	}
	return l, nil
}
