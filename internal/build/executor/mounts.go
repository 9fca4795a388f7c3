package executor

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/build/graph"
	"github.com/minirun/minirun/internal/image/overlay"
	"github.com/minirun/minirun/internal/regularfile"
)

// addMounts creates the sources of all mounts and adds them to config.json, parents before the
// mounts below them.
func (r *stepRun) addMounts() error {
	order := make([]int, len(r.step.Op.Mounts))
	for i := range order {
		order[i] = i
	}
	depth := func(i int) int { return strings.Count(filepath.Clean(r.step.Op.Mounts[i].Target), "/") }
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(depth(a), depth(b)) })
	for _, i := range order {
		m := &r.step.Op.Mounts[i]
		if err := r.addStepMount(i, m); err != nil {
			return fmt.Errorf("cannot set up --mount=type=%s%s: %w", m.Type, describeMount(m), err)
		}
	}
	return r.mountHeredocs()
}

// describeMount identifies a mount in an error message.
func describeMount(m *graph.Mount) string {
	if m.Target != "" {
		return ",target=" + m.Target
	}
	if m.ID != "" {
		return ",id=" + m.ID
	}
	return ""
}

func (r *stepRun) addStepMount(i int, m *graph.Mount) error {
	switch m.Type {
	case "bind":
		return r.addBindMount(i, m)
	case "cache":
		return r.addCacheMount(i, m)
	case "tmpfs":
		options := []string{"nosuid"}
		if m.Size > 0 {
			options = append(options, "size="+strconv.FormatInt(m.Size, 10))
		}
		r.addMount(specs.Mount{Destination: m.Target, Type: "tmpfs", Source: "tmpfs", Options: options}, false)
		return nil
	case "secret":
		return r.addSecretMount(i, m)
	case "ssh":
		return r.addSSHMount(i, m)
	}
	return errors.New("unknown type\nhint: use bind, cache, tmpfs, secret or ssh")
}

// addMount adds a mount to config.json.
func (r *stepRun) addMount(m specs.Mount, isFile bool) {
	r.spec.Mounts = append(r.spec.Mounts, m)
	if isFile {
		r.files[m.Source] = true
	}
}

// A bindSource is a file or directory of the bundle, and where it is mounted in the container.
type bindSource struct {
	path     string
	target   string
	readOnly bool
	isFile   bool
}

// addBind mounts a file or directory of the bundle in the container.
func (r *stepRun) addBind(b bindSource) {
	options := []string{"rbind", "rprivate"}
	if b.readOnly {
		options = append(options, "ro")
	}
	r.addMount(specs.Mount{Destination: b.target, Type: "bind", Source: b.path, Options: options}, b.isFile)
}

// addBindMount mounts a part of another stage, of an image or of a context. Writes to it are
// discarded.
func (r *stepRun) addBindMount(i int, m *graph.Mount) error {
	tree, err := r.mountTree(i, m.ReadOnly)
	if err != nil {
		return err
	}
	f, err := openIn(tree, m.Source)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.IsDir() && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is neither a directory nor a regular file in its source", m.Source)
	}
	name := r.bundle("mnt", strconv.Itoa(i))
	if err := bindDescriptor(f, info.IsDir(), name); err != nil {
		return err
	}
	r.addBind(bindSource{name, m.Target, m.ReadOnly, !info.IsDir()})
	return nil
}

// mountTree mounts the source file system of a mount in the bundle.
func (r *stepRun) mountTree(i int, readOnly bool) (string, error) {
	number := strconv.Itoa(i)
	dir, empty := r.bundle("mnt", "tree-"+number), r.bundle("mnt", "empty-"+number)
	for _, d := range []string{dir, empty} {
		if err := os.Mkdir(d, 0o755); err != nil {
			return "", err
		}
	}
	o := overlay.Overlay{Layers: r.step.Mounts[i].Layers, UserXattrs: r.rootless}
	if len(o.Layers) == 0 {
		o.Layers = []string{empty}
	}
	var err error
	if !readOnly {
		err = r.addDiscardedUpper(&o, number)
	} else if len(o.Layers) == 1 { // overlay needs two layers, and without overlay its whiteouts would be visible
		o.Layers = append([]string{empty}, o.Layers...)
		if o.Layers[1] == empty {
			return dir, nil
		}
	}
	if err != nil {
		return "", err
	}
	return dir, o.Attach(dir)
}

// addDiscardedUpper gives an overlay a directory for writes, which is removed with the step.
func (r *stepRun) addDiscardedUpper(o *overlay.Overlay, number string) error {
	at := filepath.Join(r.dir, "discard", number)
	o.Upper, o.Work = filepath.Join(at, "fs"), filepath.Join(at, "work")
	for _, d := range []string{o.Upper, o.Work} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	var st unix.Stat_t
	top := o.Layers[len(o.Layers)-1]
	if err := unix.Lstat(top, &st); err != nil {
		return &os.PathError{Op: "stat", Path: top, Err: err}
	}
	return copyAttributes(o.Upper, top, &st)
}

// openIn opens a path in a tree. Links cannot lead out of the tree.
func openIn(tree, path string) (*os.File, error) {
	root, err := unix.Open(tree, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: tree, Err: err}
	}
	defer unix.Close(root)
	name := cmp.Or(strings.TrimLeft(path, "/"), ".")
	fd, err := regularfile.OpenPathIn(root, name, 0, unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_MAGICLINKS)
	if err != nil {
		return nil, &os.PathError{Op: "open in its source", Path: cmp.Or(path, "/"), Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// writeFile writes a file in the bundle.
func (r *stepRun) writeFile(name string, data []byte, mode os.FileMode) (string, error) {
	path := r.bundle(name)
	return path, os.WriteFile(path, data, mode)
}

// mountHeredocs mounts the here-documents that are programs, in the same place as BuildKit.
func (r *stepRun) mountHeredocs() error {
	for i, f := range r.step.Op.Files {
		path, err := r.writeFile(filepath.Join("pipes", strconv.Itoa(i)), []byte(f.Content), 0o755)
		if err != nil {
			return err
		}
		r.addBind(bindSource{path: path, target: "/dev/pipes/" + f.Name, readOnly: true, isFile: true})
	}
	return nil
}

// addHostFiles mounts the files that every step gets from its host.
func (r *stepRun) addHostFiles() error {
	text, err := hostsFile(hostnameOf(r.step.Op), r.step.Op.Hosts)
	if err != nil {
		return err
	}
	path, err := r.writeFile("hosts", []byte(text), 0o644)
	if err != nil {
		return err
	}
	r.addBind(bindSource{path: path, target: "/etc/hosts", readOnly: true, isFile: true})
	mode, err := resolveNetwork(r.step.Op.Network, r.executor.Network)
	if err != nil {
		return err
	}
	host, err := os.ReadFile("/etc/resolv.conf")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if path, err = r.writeFile("resolv.conf", []byte(resolvConf(string(host), mode)), 0o644); err == nil {
		r.addBind(bindSource{path: path, target: "/etc/resolv.conf", readOnly: true, isFile: true})
	}
	return err
}
