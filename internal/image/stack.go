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

// A Stack is a list of layer directories, lowest first, stacked as overlayfs does
// (Documentation/filesystems/overlayfs.rst). This file looks up paths without mounting anything:
// each component is looked up from the top layer down, and the host's kernel never follows a
// symbolic link.
type Stack []string

// maxLinks is how many symbolic links one path may lead through, as in the kernel.
const maxLinks = 40

// Resolve returns the host path and the attributes of the file that a path in the container refers
// to. It follows symbolic links.
func (s Stack) Resolve(name string) (string, *unix.Stat_t, error) {
	missing := &fs.PathError{Op: "look up in the image", Path: name, Err: fs.ErrNotExist}
	todo := strings.Split(name, "/")
	above := []resolvedDir{{".", s.find(nil, ".")}} // the root, and the components resolved so far
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
		above = append(above, resolvedDir{next, found})
	}
	last := above[len(above)-1].seen
	return last.file, last.st, nil
}

// Lookup returns the file visible at a clean relative path, without following symbolic links. Nothing
// is visible below a link. The result is nil if there is no such file.
func (s Stack) Lookup(name string) (string, *unix.Stat_t) {
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

type resolvedDir struct {
	path string
	seen visibleFile
}

// visibleFile is the file visible at a path: that of the topmost layer that has it and, for a directory,
// the layers that are merged into it, topmost first. If st is nil, nothing is visible.
type visibleFile struct {
	file   string
	st     *unix.Stat_t
	layers []int
}

// find looks up a name in the layers that are merged into its parent directory; nil means all
// layers.
func (s Stack) find(layers []int, name string) (out visibleFile) {
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
			return out // only directories are merged
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

// IsWhiteout reports whether overlayfs takes a file as a whiteout, which marks a deleted file: the
// character device 0/0.
func IsWhiteout(st *unix.Stat_t) bool { return isType(st, unix.S_IFCHR) && st.Rdev == 0 }

// IsOpaque reports whether a directory hides the same directory in the lower layers.
func IsOpaque(dir string) bool {
	for _, name := range []string{"trusted.overlay.opaque", "user.overlay.opaque"} {
		var value [1]byte
		if n, err := unix.Lgetxattr(dir, name, value[:]); err == nil && n == 1 && value[0] == 'y' {
			return true
		}
	}
	return false
}

// ReadFile reads a regular file of the container, of at most limit bytes. A file that does not
// exist is treated as empty.
func (s Stack) ReadFile(name string, limit int64) ([]byte, error) {
	file, st, err := s.Resolve(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if st.Size > limit {
		return nil, fmt.Errorf("%s in the image is too large: %d bytes (the limit is %d)", name, st.Size, limit)
	}
	f, err := regularfile.OpenAt(unix.AT_FDCWD, file)
	if err != nil {
		return nil, fmt.Errorf("%s in the image: %w", name, err)
	}
	defer func() { _ = f.Close() }()
	return io.ReadAll(io.LimitReader(f, limit))
}
