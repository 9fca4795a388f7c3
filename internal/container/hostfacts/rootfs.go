package hostfacts

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/sys/mountinfo"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/container/terminal"
	"github.com/minirun/minirun/internal/rootfs"
	"github.com/minirun/minirun/internal/spec"
)

// RootFS looks up what the root file system depends on.
func (q *Query) RootFS() (rootfs.Input, error) {
	s := q.Spec
	in := rootfs.Input{
		Bundle: q.Bundle, NoPivot: q.NoPivot, Rootless: q.Rootless(), NoDevices: q.inUserNamespace(),
	}
	var err error
	if in.Root, err = FindRoot(s, q.Bundle); err != nil {
		return in, err
	}
	if err := q.findLayers(&in); err != nil {
		return in, err
	}
	if err := CheckLabels(s); err != nil {
		return in, err
	}
	if s.Linux != nil && s.Linux.MountLabel != "" {
		// Without SELinux there is no policy that could use a file's label; a
		// process's label is treated differently: see CheckLabels.
		if in.SELinux = hasSELinux(); !in.SELinux {
			q.Warn(spec.Warning{Path: "linux.mountLabel", Text: "has no effect: this kernel has no SELinux"})
		}
	}
	if err := rootfs.CheckProc(s, q.Bundle, isProc); err != nil {
		return in, err
	}
	if err := sourcesInput(&in, s); err != nil {
		return in, err
	}
	if err := hostMounts(&in, s); err != nil {
		return in, err
	}
	if !s.Process.Terminal {
		for fd := range in.NullStdio {
			in.NullStdio[fd] = terminal.GetsNull(fd, q.Attended)
		}
	}
	return in, nil
}

// FindRoot returns the directory of root.path, with its symbolic links resolved.
func FindRoot(s *specs.Spec, bundle string) (string, error) {
	root := s.Root.Path
	if !filepath.IsAbs(root) {
		root = filepath.Join(bundle, root)
	}
	real, err := filepath.EvalSymlinks(root)
	if err != nil {
		return "", &spec.Error{Path: "root.path", Want: "must be an existing directory",
			Got: fmt.Sprintf("%q", s.Root.Path), Err: err,
			Hint: "put a root file system there, for example with: minirun unpack IMAGE " + root}
	}
	info, err := os.Stat(real)
	switch {
	case err != nil:
		return "", &spec.Error{Path: "root.path", Want: "must be an existing directory",
			Got: fmt.Sprintf("%q", s.Root.Path), Err: err}
	case !info.IsDir():
		return "", &spec.Error{Path: "root.path", Want: "must be a directory", Got: fmt.Sprintf("%q", s.Root.Path)}
	case real == "/":
		return "", &spec.Error{Path: "root.path", Want: "must not be the host's root",
			Got: fmt.Sprintf("%q", s.Root.Path)}
	}
	return real, nil
}

// isProc reports whether a path is in a proc file system.
func isProc(path string) bool {
	var fs unix.Statfs_t
	return unix.Statfs(path, &fs) == nil && fs.Type == unix.PROC_SUPER_MAGIC
}

// hostMounts reads the host's mount table for the two cases that need it.
func hostMounts(in *rootfs.Input, s *specs.Spec) error {
	staysShared := false
	if s.Linux != nil && s.Linux.RootfsPropagation != "" {
		flags, _ := spec.Propagation(s.Linux.RootfsPropagation)
		staysShared = flags&unix.MS_REC == 0 || flags&unix.MS_SHARED != 0
	}
	if !staysShared && !in.NoPivot {
		return nil
	}
	mounts, err := mountinfo.GetMounts(nil)
	if err != nil {
		return fmt.Errorf("read the host's mounts: %w", err)
	}
	parent := ""
	for _, m := range mounts {
		if staysShared && IsBelow(in.Root, m.Mountpoint) && len(m.Mountpoint) >= len(parent) {
			parent = m.Mountpoint
		}
		if in.NoPivot && (m.FSType == "proc" || m.FSType == "sysfs") && !IsBelow(m.Mountpoint, in.Root) {
			in.HostMounts = append(in.HostMounts, m.Mountpoint)
		}
	}
	in.ParentMnt = parent
	return nil
}

// IsBelow reports whether path is dir or in it.
func IsBelow(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}
