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

// mounts creates the sources of all mounts and adds them to config.json, parents before the
// mounts below them.
func (j *job) mounts() error {
	order := make([]int, len(j.Op.Mounts))
	for i := range order {
		order[i] = i
	}
	depth := func(i int) int { return strings.Count(filepath.Clean(j.Op.Mounts[i].Target), "/") }
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(depth(a), depth(b)) })
	for _, i := range order {
		m := &j.Op.Mounts[i]
		if err := j.mount(i, m); err != nil {
			return fmt.Errorf("--mount=type=%s%s: %w", m.Type, naming(m), err)
		}
	}
	return j.pipes()
}

// naming identifies a mount in an error message.
func naming(m *graph.Mount) string {
	if m.Target != "" {
		return ",target=" + m.Target
	}
	if m.ID != "" {
		return ",id=" + m.ID
	}
	return ""
}

func (j *job) mount(i int, m *graph.Mount) error {
	switch m.Type {
	case "bind":
		return j.bindMount(i, m)
	case "cache":
		return j.cacheMount(i, m)
	case "tmpfs":
		options := []string{"nosuid"}
		if m.Size > 0 {
			options = append(options, "size="+strconv.FormatInt(m.Size, 10))
		}
		j.add(specs.Mount{Destination: m.Target, Type: "tmpfs", Source: "tmpfs", Options: options}, false)
		return nil
	case "secret":
		return j.secretMount(i, m)
	case "ssh":
		return j.sshMount(i, m)
	}
	return errors.New("there is no such type: bind, cache, tmpfs, secret and ssh are known")
}

// add adds a mount to config.json.
func (j *job) add(m specs.Mount, isFile bool) {
	j.spec.Mounts = append(j.spec.Mounts, m)
	if isFile {
		j.files[m.Source] = true
	}
}

// bind mounts a file or directory of the bundle in the container.
func (j *job) bind(source, target string, readOnly, isFile bool) {
	options := []string{"rbind", "rprivate"}
	if readOnly {
		options = append(options, "ro")
	}
	j.add(specs.Mount{Destination: target, Type: "bind", Source: source, Options: options}, isFile)
}

// bindMount mounts a part of another stage, of an image or of a context. Writes to it are
// discarded.
func (j *job) bindMount(i int, m *graph.Mount) error {
	tree, err := j.tree(i, m.ReadOnly)
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
		return fmt.Errorf("%s there is neither a directory nor a regular file", m.Source)
	}
	name := j.bundle("mnt", strconv.Itoa(i))
	if err := show(f, info.IsDir(), name); err != nil {
		return err
	}
	j.bind(name, m.Target, m.ReadOnly, !info.IsDir())
	return nil
}

// tree mounts the source file system of a mount in the bundle.
func (j *job) tree(i int, readOnly bool) (string, error) {
	number := strconv.Itoa(i)
	dir, empty := j.bundle("mnt", "tree-"+number), j.bundle("mnt", "empty-"+number)
	for _, d := range []string{dir, empty} {
		if err := os.Mkdir(d, 0o755); err != nil {
			return "", err
		}
	}
	o := overlay.Overlay{Layers: j.Mounts[i].Layers, UserXattrs: j.rootless}
	if len(o.Layers) == 0 {
		o.Layers = []string{empty}
	}
	var err error
	if !readOnly {
		err = j.discard(&o, number)
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

// discard gives an overlay a directory for writes, which is removed with the step.
func (j *job) discard(o *overlay.Overlay, number string) error {
	at := filepath.Join(j.dir, "discard", number)
	o.Upper, o.Work = filepath.Join(at, "fs"), filepath.Join(at, "work")
	for _, d := range []string{o.Upper, o.Work} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	var st unix.Stat_t
	top := o.Layers[len(o.Layers)-1]
	if err := unix.Lstat(top, &st); err != nil {
		return &os.PathError{Op: "look at", Path: top, Err: err}
	}
	return like(o.Upper, top, &st)
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
		return nil, &os.PathError{Op: "open in the file system that it is from", Path: cmp.Or(path, "/"), Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// file writes a file in the bundle.
func (j *job) file(name string, data []byte, mode os.FileMode) (string, error) {
	path := j.bundle(name)
	return path, os.WriteFile(path, data, mode)
}

// pipes mounts the here-documents that are programs, in the same place as BuildKit.
func (j *job) pipes() error {
	for i, f := range j.Op.Files {
		path, err := j.file(filepath.Join("pipes", strconv.Itoa(i)), []byte(f.Content), 0o755)
		if err != nil {
			return err
		}
		j.bind(path, "/dev/pipes/"+f.Name, true, true)
	}
	return nil
}

// hostFiles mounts the files that every step gets from its host.
func (j *job) hostFiles() error {
	text, err := hosts(hostnameOf(j.Op), j.Op.Hosts)
	if err != nil {
		return err
	}
	path, err := j.file("hosts", []byte(text), 0o644)
	if err != nil {
		return err
	}
	j.bind(path, "/etc/hosts", true, true)
	mode, err := network(j.Op.Network, j.Network)
	if err != nil {
		return err
	}
	host, err := os.ReadFile("/etc/resolv.conf")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if path, err = j.file("resolv.conf", []byte(resolvConf(string(host), mode)), 0o644); err == nil {
		j.bind(path, "/etc/resolv.conf", true, true)
	}
	return err
}
