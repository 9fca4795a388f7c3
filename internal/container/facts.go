package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/minirun/minirun/internal/container/compile"
	"github.com/minirun/minirun/internal/container/hooks"
	"github.com/minirun/minirun/internal/container/terminal"

	"github.com/moby/sys/mountinfo"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/overlay"
	"github.com/minirun/minirun/internal/process"
	"github.com/minirun/minirun/internal/rootfs"
	"github.com/minirun/minirun/internal/spec"
)

// A factsQuery says for which container, and for which command, facts are looked up.
type factsQuery struct {
	Spec *specs.Spec

	ID, Bundle  string
	Directory   string   // the container's state directory
	Layers      []string // --layer, lowest first
	Ephemeral   bool
	NoPivot     bool
	NoKeyring   bool
	PreserveFDs int

	StartsLater bool // another command starts the program
	Attended    bool // minirun stays until the program exits
	OtherHost   bool // the plan is only shown: this process's user and limits do not matter
	Warn        func(any)
}

// Rootless reports whether the user who runs the container is not root.
func (q *factsQuery) Rootless() bool { return !q.OtherHost && rootless() }

func (q *factsQuery) inUserNamespace() bool { return !q.OtherHost && namespaces.InUserNamespace() }

// RootFS looks up what the root file system depends on.
func (q *factsQuery) RootFS() (rootfs.Input, error) {
	s := q.Spec
	in := rootfs.Input{
		Bundle: q.Bundle, NoPivot: q.NoPivot, Rootless: q.Rootless(), NoDevices: q.inUserNamespace(),
	}
	var err error
	if in.Root, err = rootPath(s, q.Bundle); err != nil {
		return in, err
	}
	if err := q.layers(&in); err != nil {
		return in, err
	}
	if err := checkLabels(s); err != nil {
		return in, err
	}
	if s.Linux != nil && s.Linux.MountLabel != "" {
		// Without SELinux there is no policy that could use a file's label; a
		// process's label is treated differently: see checkLabels.
		if in.SELinux = seLinux(); !in.SELinux {
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

func rootPath(s *specs.Spec, bundle string) (string, error) {
	root := s.Root.Path
	if !filepath.IsAbs(root) {
		root = filepath.Join(bundle, root)
	}
	real, err := filepath.EvalSymlinks(root)
	if err != nil {
		return "", &spec.Error{Path: "root.path", Want: "must be an existing directory", Got: fmt.Sprintf("%q", s.Root.Path), Err: err}
	}
	info, err := os.Stat(real)
	switch {
	case err != nil:
		return "", &spec.Error{Path: "root.path", Want: "must be an existing directory", Got: fmt.Sprintf("%q", s.Root.Path), Err: err}
	case !info.IsDir():
		return "", &spec.Error{Path: "root.path", Want: "must be a directory", Got: fmt.Sprintf("%q", s.Root.Path)}
	case real == "/":
		return "", &spec.Error{Path: "root.path", Want: "must not be the host's root", Got: fmt.Sprintf("%q", s.Root.Path)}
	}
	return real, nil
}

// layers finds the layers: those of the annotation, then of --layer, then
// root.path itself with --ephemeral.
func (q *factsQuery) layers(in *rootfs.Input) error {
	s := q.Spec
	source := fmt.Sprintf("annotations[%q]", spec.AnnotationLayers)
	dirs, err := spec.Layers(s.Annotations)
	if err != nil {
		return err
	}
	for i, dir := range dirs {
		path := fmt.Sprintf("%s[%d]", source, i)
		if err := addLayer(in, q.Bundle, dir, path); err != nil {
			return err
		}
	}
	for _, dir := range q.Layers {
		if err := addLayer(in, "", dir, "--layer"); err != nil {
			return err
		}
	}
	if q.Ephemeral && len(in.Layers) == 0 {
		in.Layers = append(in.Layers, rootfs.Layer{Path: in.Root, Source: "--ephemeral"})
	}
	if upper, ok := s.Annotations[spec.AnnotationUpper]; ok && len(in.Layers) == 0 {
		return &spec.Error{Path: fmt.Sprintf("annotations[%q]", spec.AnnotationUpper), Want: "needs layers: " + spec.AnnotationLayers + ", --layer or --ephemeral", Got: fmt.Sprintf("%q", upper)}
	}
	if len(in.Layers) == 0 {
		return nil
	}
	q.upper(in)
	if in.OldOverlay, err = beforeLinux(6, 8); err != nil {
		return err
	}
	if err := checkLayerCount(in.Layers); err != nil || !in.OldOverlay {
		return err
	}
	if _, options := rootfs.OverlayOptions(*in); len(options) > rootfs.MaxOverlayOptions {
		return &spec.Error{Path: in.Layers[0].Source, Want: fmt.Sprintf("must have paths that fit into a page on Linux before 6.8, at most %d bytes: use shorter paths below one directory, or fewer layers", rootfs.MaxOverlayOptions), Got: fmt.Sprintf("%d layers with %d bytes", len(in.Layers), len(options))}
	}
	return nil
}

// checkLayerCount refuses more layers than overlayfs supports: its only error would be
// EINVAL.
func checkLayerCount(layers []rootfs.Layer) error {
	most, where := overlay.MaxLayers, ""
	if len(layers) > overlay.LayersPerMount {
		old, err := beforeLinux(6, 13)
		if err != nil {
			return err
		}
		if old { // it does not accept a mount as a layer
			most, where = overlay.LayersPerMount, " before Linux 6.13"
		}
	}
	if len(layers) <= most {
		return nil
	}
	return &spec.Error{Path: layers[most].Source, Want: fmt.Sprintf("must not be given: overlayfs takes %d layers%s", most, where), Got: fmt.Sprintf("%d layers", len(layers))}
}

// beforeLinux reports whether the kernel is older than a version.
func beforeLinux(major, minor int) (bool, error) {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return false, fmt.Errorf("uname: %w", err)
	}
	release := unix.ByteSliceToString(name.Release[:])
	var has [2]int
	if _, err := fmt.Sscanf(release, "%d.%d", &has[0], &has[1]); err != nil {
		return false, fmt.Errorf("uname: the kernel's release %q does not begin with a version", release)
	}
	return slices.Compare(has[:], []int{major, minor}) < 0, nil
}

func addLayer(in *rootfs.Input, base, dir, source string) error {
	if !filepath.IsAbs(dir) && base != "" {
		dir = filepath.Join(base, dir)
	}
	dir, err := filepath.Abs(dir)
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir)
	}
	if err == nil {
		var info os.FileInfo
		if info, err = os.Stat(dir); err == nil && !info.IsDir() {
			err = unix.ENOTDIR
		}
	}
	if err != nil {
		return &spec.Error{Path: source, Want: "must be an existing directory", Err: err}
	}
	in.Layers = append(in.Layers, rootfs.Layer{Path: dir, Source: source})
	return nil
}

// upper finds the directory that receives writes to the layers.
func (q *factsQuery) upper(in *rootfs.Input) {
	s := q.Spec
	in.UserXattrs = q.Rootless() || q.inUserNamespace()
	if upper, ok := s.Annotations[spec.AnnotationUpper]; ok && !q.Ephemeral {
		if !filepath.IsAbs(upper) {
			upper = filepath.Join(q.Bundle, upper)
		}
		in.Upper, in.Stable, in.Volatile = upper, true, s.Annotations[spec.AnnotationVolatile] == "true"
		in.Work = filepath.Join(filepath.Dir(upper), "."+filepath.Base(upper)+".work")
		return
	}
	in.Upper, in.Work = filepath.Join(q.Directory, "upper"), filepath.Join(q.Directory, "work")
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
		if staysShared && below(in.Root, m.Mountpoint) && len(m.Mountpoint) >= len(parent) {
			parent = m.Mountpoint
		}
		if in.NoPivot && (m.FSType == "proc" || m.FSType == "sysfs") && !below(m.Mountpoint, in.Root) {
			in.HostMounts = append(in.HostMounts, m.Mountpoint)
		}
	}
	in.ParentMnt = parent
	return nil
}

// below reports whether path is dir or in it.
func below(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

// checkLabels refuses labels that the kernel would not enforce.
func checkLabels(s *specs.Spec) error {
	if s.Process.ApparmorProfile != "" && !appArmor() {
		return &spec.Error{Path: "process.apparmorProfile", Want: "needs a kernel with AppArmor enabled", Got: fmt.Sprintf("%q", s.Process.ApparmorProfile)}
	}
	if l := s.Process.SelinuxLabel; l != "" && !seLinux() {
		return &spec.Error{Path: "process.selinuxLabel", Want: "needs a kernel with SELinux enabled", Got: fmt.Sprintf("%q", l)}
	}
	return nil
}

func appArmor() bool {
	b, err := os.ReadFile("/sys/module/apparmor/parameters/enabled")
	return err == nil && len(b) > 0 && b[0] == 'Y'
}

func seLinux() bool {
	var fs unix.Statfs_t
	return unix.Statfs("/sys/fs/selinux", &fs) == nil && fs.Type == unix.SELINUX_MAGIC
}

// Process looks up what the process depends on.
func (q *factsQuery) Process(setup namespaces.Setup) (process.Input, error) {
	s := q.Spec
	in := process.Input{
		ID: q.ID, Preserve: q.PreserveFDs, NoKeyring: q.NoKeyring, Rootless: q.Rootless(), UserNS: q.inUserNamespace(),
		KeepGroups:    spec.AnnotationSet(s.Annotations, spec.AnnotationKeepGroups),
		DieWithParent: diesWithParent(s), Waits: q.StartsLater, Rlimits: !setup.Has(unix.CLONE_NEWUSER),
		AppArmor: true, SELinux: true, LastCapability: lastCapability(),
	}
	var err error
	if in.Seccomp, err = compile.Seccomp(s); err != nil {
		return in, err
	}
	in.Unreported = !process.Reports(in.Seccomp)
	if n := listenFDs(); n > 0 {
		in.Listen = n
		in.Preserve = max(in.Preserve, n)
	}
	in.HookOutput = hooks.OutputPaths(q.Bundle, s.Annotations)
	in.PipeModes = pipeModes(s, setup.Has(unix.CLONE_NEWUSER))
	if linux := s.Linux; linux != nil && len(linux.UIDMappings) > 0 && len(linux.GIDMappings) > 0 {
		in.HostRoot = [2]uint32{hostID(linux.UIDMappings), hostID(linux.GIDMappings)}
	}
	if len(s.Process.Rlimits) > 0 && !q.OtherHost {
		var own unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_NPROC, &own); err != nil {
			return in, fmt.Errorf("getrlimit RLIMIT_NPROC: %w", err)
		}
		in.ProcessLimit = own.Max
	}
	return in, nil
}

// lastCapability returns the highest capability that the kernel knows: above it prctl
// returns EINVAL.
func lastCapability() int {
	n := unix.CAP_LAST_CAP
	for n > 0 && !knownCapability(n) {
		n--
	}
	for n < 63 && knownCapability(n+1) {
		n++
	}
	return n
}

func knownCapability(n int) bool {
	_, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(n), 0, 0, 0)
	return err == nil
}

// hostID returns the host ID of the user namespace's ID 0.
func hostID(maps []specs.LinuxIDMapping) uint32 {
	for _, m := range maps {
		if m.ContainerID == 0 {
			return m.HostID
		}
	}
	return 0
}

// listenFDs returns the number of sockets that systemd's socket activation passes on,
// sd_listen_fds(3); the same rule as in runc.
func listenFDs() int {
	n, err := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	if err != nil || n < 0 || n > 1024 {
		return 0
	}
	return n
}

// bundlePath returns the bundle as an absolute path that is a directory.
func bundlePath(bundle string) (string, error) {
	abs, err := filepath.Abs(bundle)
	if err != nil {
		return "", fmt.Errorf("bundle %s: %w", bundle, err)
	}
	info, err := os.Stat(abs)
	if err == nil && !info.IsDir() {
		err = errors.New("not a directory")
	}
	if err != nil {
		return "", fmt.Errorf("bundle %s: %w", bundle, err)
	}
	return abs, nil
}
