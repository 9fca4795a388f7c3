package image

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/regularfile"
)

// A Stack is directories of layers, lowest first, as overlayfs stacks them
// (Documentation/filesystems/overlayfs.rst). This file looks a path up in them
// without mounting anything: what a component stands for is decided from the top,
// and no symbolic link is left to the host's kernel.
type Stack []string

// maxLinks is how many symbolic links one path may lead through, as in the
// kernel.
const maxLinks = 40

// Resolve returns where the file is that a path in the container stands for, and
// what it is. It follows symbolic links.
func (s Stack) Resolve(name string) (string, *unix.Stat_t, error) {
	missing := &fs.PathError{Op: "look up in the image", Path: name, Err: fs.ErrNotExist}
	todo := strings.Split(name, "/")
	above := []place{{".", s.find(nil, ".")}} // the root, and what is resolved so far
	if above[0].seen.st == nil {
		return "", nil, missing
	}
	links := 0
	for len(todo) > 0 {
		part := todo[0]
		todo = todo[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			if len(above) > 1 {
				above = above[:len(above)-1]
			}
			continue
		}
		here := above[len(above)-1]
		if !isType(here.seen.st, unix.S_IFDIR) {
			return "", nil, missing
		}
		next := filepath.Join(here.path, part)
		found := s.find(here.seen.layers, next)
		if found.st == nil {
			return "", nil, missing
		}
		if isType(found.st, unix.S_IFLNK) {
			if links++; links > maxLinks {
				return "", nil, &fs.PathError{Op: "look up in the image", Path: name, Err: unix.ELOOP}
			}
			target, err := os.Readlink(found.file)
			if err != nil {
				return "", nil, err
			}
			if strings.HasPrefix(target, "/") {
				above = above[:1]
			}
			todo = append(strings.Split(target, "/"), todo...)
			continue
		}
		above = append(above, place{next, found})
	}
	last := above[len(above)-1].seen
	return last.file, last.st, nil
}

// At returns what is seen at a clean relative path whose components are taken as
// they are: a symbolic link is what it is, and nothing is below one. It is nil if
// nothing is seen.
func (s Stack) At(name string) (string, *unix.Stat_t) {
	found := s.find(nil, ".")
	at := "."
	for part := range strings.SplitSeq(name, "/") {
		if found.st == nil || !isType(found.st, unix.S_IFDIR) {
			return "", nil
		}
		at = filepath.Join(at, part)
		found = s.find(found.layers, at)
	}
	return found.file, found.st
}

type place struct {
	path string
	seen seen
}

// seen is what is seen at a path: the file of the topmost layer that has it and,
// of a directory, the layers it is merged from, topmost first. Without a st
// nothing is seen.
type seen struct {
	file   string
	st     *unix.Stat_t
	layers []int
}

// find looks into the layers that the parent directory is merged from; nil stands
// for all.
func (s Stack) find(layers []int, name string) (out seen) {
	if layers == nil {
		for i := len(s) - 1; i >= 0; i-- {
			layers = append(layers, i)
		}
	}
	for _, i := range layers {
		file := filepath.Join(s[i], name)
		var st unix.Stat_t
		switch {
		case unix.Lstat(file, &st) != nil:
			continue
		case IsWhiteout(&st):
			return out
		case out.st == nil:
			out.file, out.st = file, &st
		case !isType(&st, unix.S_IFDIR):
			return out // what is no directory hides what is below, and is hidden by what is above
		}
		if !isType(&st, unix.S_IFDIR) {
			return out
		}
		out.layers = append(out.layers, i)
		if IsOpaque(file) {
			return out
		}
	}
	return out
}

func isType(st *unix.Stat_t, kind uint32) bool { return st.Mode&unix.S_IFMT == kind }

// IsWhiteout says whether overlayfs takes a file for the mark of a deleted one:
// the character device 0/0.
func IsWhiteout(st *unix.Stat_t) bool { return isType(st, unix.S_IFCHR) && st.Rdev == 0 }

// IsOpaque says whether a directory hides those of the layers below.
func IsOpaque(dir string) bool {
	for _, name := range []string{"trusted.overlay.opaque", "user.overlay.opaque"} {
		var value [1]byte
		if n, err := unix.Lgetxattr(dir, name, value[:]); err == nil && n == 1 && value[0] == 'y' {
			return true
		}
	}
	return false
}

// ReadFile reads a regular file of the container's, of at most limit bytes. One
// that does not exist is empty.
func (s Stack) ReadFile(name string, limit int64) ([]byte, error) {
	file, st, err := s.Resolve(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if st.Size > limit {
		return nil, fmt.Errorf("%s in the image: %d bytes are more than the %d that are read", name, st.Size, limit)
	}
	f, err := regularfile.OpenAt(unix.AT_FDCWD, file)
	if err != nil {
		return nil, fmt.Errorf("%s in the image: %w", name, err)
	}
	defer func() { _ = f.Close() }()
	return io.ReadAll(io.LimitReader(f, limit))
}
