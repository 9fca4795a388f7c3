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

// A mountpoint is where a mount goes.
type mountpoint struct {
	path    string // clean and without links, as far as the layers determine it
	missing bool
	inside  bool // inside another mount: its content is not known from the layers
}

// mountpointResolver resolves mountpoints in layers that do not change meanwhile.
type mountpointResolver struct {
	stack image.Stack
	taken []string // by the mounts so far
}

// resolve resolves the links of a path, including dangling ones.
func (s *mountpointResolver) resolve(path string) (mountpoint, error) {
	p, err := linkwalk.Follow(path, func(name string) (linkwalk.Kind, string, error) {
		if slices.Contains(s.taken, name) {
			return linkwalk.Opaque, "", nil
		}
		st := s.lstat(name)
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
		return mountpoint{}, &os.PathError{Op: "resolve the mount point", Path: path, Err: err}
	}
	return mountpoint{path: p.Path, missing: p.Missing(), inside: p.Opaque}, nil
}

func (s *mountpointResolver) lstat(path string) *unix.Stat_t {
	name := strings.TrimPrefix(path, "/")
	if name == "" {
		name = "."
	}
	_, st := s.stack.Lookup(name)
	return st
}

// createMountpoints creates the missing mountpoints, and returns the layers with them.
func (r *stepRun) createMountpoints() ([]string, error) {
	s := &mountpointResolver{stack: r.stack()}
	layer := &stubLayer{dir: r.bundle("stubs"), stack: s.stack}
	for i := range r.spec.Mounts {
		m := &r.spec.Mounts[i]
		found, err := s.resolve(m.Destination)
		if err != nil {
			return nil, err
		}
		if m.Type == "proc" || m.Type == "sysfs" ||
			filepath.Clean(m.Destination) == "/dev" { // the runtime accepts no links there
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
		if err := layer.make(found.path, r.files[m.Source], mode); err != nil {
			return nil, fmt.Errorf("cannot create the mount point %s: %w", m.Destination, err)
		}
	}
	if err := r.checkCwd(s); err != nil {
		return nil, err
	}
	if len(layer.models) == 0 && len(r.step.Layers) > 0 {
		return r.step.Layers, nil
	}
	return append(slices.Clone(r.step.Layers), layer.dir), layer.finish()
}

// checkCwd rejects a missing working directory: the runtime would create it in the layer.
func (r *stepRun) checkCwd(s *mountpointResolver) error {
	found, err := s.resolve(r.step.Op.Cwd)
	if err != nil || found.inside {
		return err
	}
	if st := s.lstat(found.path); found.missing || st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return fmt.Errorf("working directory %s does not exist\nhint: WORKDIR creates it", r.step.Op.Cwd)
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
		if err := copyAttributes(filepath.Join(l.dir, name), file, st); err != nil {
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
			return fmt.Errorf("cannot copy the attribute %s of %s: %w", name, from, err)
		}
	}
	return nil
}
