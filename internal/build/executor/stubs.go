package executor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/linkwalk"
)

// A mountpoint must exist. Those that the image does not have (/proc in a single-program
// image, /run/secrets/x) are in a separate layer, below the one that takes the program's
// writes. So nothing has to be removed from the latter, where the program may have replaced
// paths with links (CVE-2024-23652), and no directory gets a new modification time because a
// mountpoint was created in it.

// A seat is the mountpoint of a mount.
type seat struct {
	path    string // clean and without links, as far as the layers determine it
	missing bool
	inside  bool // inside another mount: its content is not known from the layers
}

// seats resolves mountpoints in layers that do not change meanwhile.
type seats struct {
	stack image.Stack
	taken []string // by the mounts so far
}

// find resolves the links of a path, including dangling ones.
func (s *seats) find(path string) (seat, error) {
	p, err := linkwalk.Follow(path, func(name string) (linkwalk.Kind, string, error) {
		if slices.Contains(s.taken, name) {
			return linkwalk.Opaque, "", nil
		}
		st := s.look(name)
		if st == nil {
			return linkwalk.Missing, "", nil
		}
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFDIR:
			return linkwalk.Directory, "", nil
		case unix.S_IFLNK:
			file, _ := s.stack.Lookup(name[1:])
			to, err := os.Readlink(file)
			return linkwalk.Link, to, err
		}
		return linkwalk.Other, "", nil
	})
	if err != nil {
		return seat{}, &os.PathError{Op: "find the place to mount on", Path: path, Err: err}
	}
	return seat{path: p.Path, missing: p.Missing(), inside: p.Opaque}, nil
}

func (s *seats) look(path string) *unix.Stat_t {
	name := strings.TrimPrefix(path, "/")
	if name == "" {
		name = "."
	}
	_, st := s.stack.Lookup(name)
	return st
}

// stubs creates the missing mountpoints, and returns the layers with them.
func (j *job) stubs() ([]string, error) {
	s := &seats{stack: j.stack()}
	layer := &stubLayer{dir: j.bundle("stubs"), stack: s.stack}
	for i := range j.spec.Mounts {
		m := &j.spec.Mounts[i]
		found, err := s.find(m.Destination)
		if err != nil {
			return nil, err
		}
		if m.Type == "proc" || m.Type == "sysfs" || filepath.Clean(m.Destination) == "/dev" { // the runtime accepts no links there
			if found.path != filepath.Clean(m.Destination) {
				continue
			}
		}
		s.taken = append(s.taken, found.path)
		if found.inside {
			continue
		}
		m.Destination = found.path
		if !found.missing {
			continue
		}
		mode := os.FileMode(0o755)
		if m.Type == "tmpfs" {
			mode = 0o777 | os.ModeSticky // its root inherits the mode of the mountpoint
		}
		if err := layer.make(found.path, j.files[m.Source], mode); err != nil {
			return nil, fmt.Errorf("make %s to mount on: %w", m.Destination, err)
		}
	}
	if err := j.checkCwd(s); err != nil {
		return nil, err
	}
	if len(layer.models) == 0 && len(j.Layers) > 0 {
		return j.Layers, nil
	}
	return append(slices.Clone(j.Layers), layer.dir), layer.finish()
}

// checkCwd rejects a missing working directory: the runtime would create it in the layer.
func (j *job) checkCwd(s *seats) error {
	found, err := s.find(j.Op.Cwd)
	if err != nil || found.inside {
		return err
	}
	if st := s.look(found.path); found.missing || st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return fmt.Errorf("working directory %s: there is no such directory: WORKDIR makes one", j.Op.Cwd)
	}
	return nil
}

// stubLayer is a layer of empty files and directories.
type stubLayer struct {
	dir    string
	stack  image.Stack
	models []string // directories that also exist in the layers below, parents first
}

// make creates a file or directory, and its parent directories.
func (l *stubLayer) make(path string, isFile bool, mode os.FileMode) error {
	at := ""
	parts := strings.Split(strings.Trim(path, "/"), "/")
	if !slices.Contains(l.models, ".") {
		l.models = append(l.models, ".")
	}
	for i, part := range parts {
		at = filepath.Join(at, part)
		name := filepath.Join(l.dir, at)
		if i == len(parts)-1 && isFile {
			return os.WriteFile(name, nil, 0o644)
		}
		dirMode := os.FileMode(0o755)
		if i == len(parts)-1 {
			dirMode = mode
		}
		err := os.Mkdir(name, 0o755)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := os.Chmod(name, dirMode); err != nil {
			return err
		}
		if _, st := l.stack.Lookup(at); st != nil {
			l.models = append(l.models, at)
		}
	}
	return nil
}

// finish copies the attributes of the directories below to those in this layer, which hide
// them.
func (l *stubLayer) finish() error {
	for _, name := range slices.Backward(l.models) {
		file, st := l.stack.Lookup(name)
		if st == nil {
			continue
		}
		if err := like(filepath.Join(l.dir, name), file, st); err != nil {
			return err
		}
	}
	return nil
}

// copyXattrs copies extended attributes, except overlay's own. It skips those that tmpfs does
// not support (user.* before Linux 6.6).
func copyXattrs(to, from string) error {
	list := make([]byte, 64<<10)
	n, err := unix.Llistxattr(from, list)
	if errors.Is(err, unix.ENOTSUP) {
		return nil
	}
	if err != nil {
		return &os.PathError{Op: "list the attributes of", Path: from, Err: err}
	}
	for name := range strings.SplitSeq(strings.TrimRight(string(list[:n]), "\x00"), "\x00") {
		if name == "" || strings.HasPrefix(name, "trusted.overlay.") || strings.HasPrefix(name, "user.overlay.") {
			continue
		}
		value := make([]byte, 64<<10)
		n, err := unix.Lgetxattr(from, name, value)
		if err == nil {
			err = unix.Lsetxattr(to, name, value[:n], 0)
		}
		if err != nil && !errors.Is(err, unix.ENOTSUP) {
			return fmt.Errorf("copy the attribute %s of %s: %w", name, from, err)
		}
	}
	return nil
}
