package layer

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/linkwalk"
)

// resolve returns the directory that a path leads to: clean, relative to the root, and without
// symbolic links. Links of this archive and of the lower layers are resolved here, not by the
// kernel, so that they start at the root and stay below it. Missing directories are created later.
func (a *applier) resolve(dir string) (string, error) { return a.resolveWithout(dir, "") }

// resolveWithout is like resolve, but treats one path as absent: the entry replaces the file there.
func (a *applier) resolveWithout(dir, replaced string) (string, error) {
	if dir == "." {
		return dir, nil
	}
	place, err := linkwalk.Follow(dir, func(name string) (linkwalk.Kind, string, error) {
		if name[1:] == replaced {
			return linkwalk.Missing, "", nil
		}
		return a.lookUp(name[1:])
	})
	if err != nil {
		return "", fmt.Errorf("its directory %s: %w: %w", dir, ErrRefused, err)
	}
	if place.Path == "/" {
		return ".", nil
	}
	return place.Path[1:], nil
}

// lookUp returns what is at a path that does not lead through a link.
func (a *applier) lookUp(at string) (linkwalk.Kind, string, error) {
	fd, err := a.openBelow(a.root, at, 0)
	switch {
	case errors.Is(err, unix.ENOENT):
		return a.lookUpLower(at)
	case errors.Is(err, unix.ENOTDIR): // below a whiteout or a file
		return linkwalk.Missing, "", nil
	case err != nil:
		return linkwalk.Missing, "", err
	}
	defer func() { _ = unix.Close(fd) }()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return linkwalk.Missing, "", err
	}
	if image.IsWhiteout(&st) {
		return linkwalk.Missing, "", nil
	}
	return kindOf(&st, func(text []byte) (int, error) { return unix.Readlinkat(fd, "", text) })
}

// lookUpLower looks at the lower layers. No directory of this layer above the path is a whiteout.
func (a *applier) lookUpLower(at string) (linkwalk.Kind, string, error) {
	file, st := a.visibleLowerFile(at)
	if st == nil {
		return linkwalk.Missing, "", nil
	}
	return kindOf(st, func(text []byte) (int, error) { return unix.Readlink(file, text) })
}

func kindOf(st *unix.Stat_t, readlink func([]byte) (int, error)) (linkwalk.Kind, string, error) {
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return linkwalk.Directory, "", nil
	case unix.S_IFLNK:
		text := make([]byte, unix.PathMax)
		n, err := readlink(text)
		return linkwalk.Link, string(text[:max(n, 0)]), err
	}
	return linkwalk.Other, "", nil
}
