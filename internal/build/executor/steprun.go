package executor

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/fileattr"
	"github.com/minirun/minirun/internal/flock"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/spec"
)

// A stepRun is a running step.
//
//	DIR/bundle     a tmpfs that only the step's thread sees
//	DIR/discard/N  writes to a bind mount
//
// The directory is locked while the step's builder is running: see Sweep.
type stepRun struct {
	executor *Executor
	step     *Step
	id, dir  string
	lock     *os.File
	terminal *os.File

	caches   map[string]*cache // by identity
	spec     *specs.Spec
	files    map[string]bool // sources of bind mounts that are not directories
	agents   []net.Listener
	rootless bool
}

func (e *Executor) newStepRun(s *Step) (*stepRun, error) {
	minirun, err := filepath.Abs(e.Minirun)
	if err != nil {
		return nil, err
	}
	absolute := *e
	absolute.Minirun = minirun
	r := &stepRun{
		executor: &absolute,
		step:     s,
		id:       e.idPrefix() + rand.Text(),
		files:    map[string]bool{},
		rootless: namespaces.Unprivileged(),
	}
	r.dir = filepath.Join(e.Store.Dir, "tmp", r.id)
	for _, dir := range []string{e.root(), r.dir} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
	}
	r.lock, err = flock.Open(r.dir, unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, fs.ErrNotExist) {
		return e.newStepRun(s) // another build removed it before it was locked
	}
	if err == nil {
		err = os.Mkdir(r.bundle(), 0o700) // not before: Sweep removes directories without a lock
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(r.dir))
	}
	return r, nil
}

// close removes the step's files on disk. Its thread has exited, and all mounts there with it.
func (r *stepRun) close() error {
	for _, a := range r.agents {
		_ = a.Close()
	}
	for _, c := range r.caches {
		_ = c.lock.Close()
	}
	err := os.RemoveAll(r.dir)
	return errors.Join(err, r.lock.Close())
}

func (r *stepRun) bundle(names ...string) string {
	return filepath.Join(append([]string{r.dir, "bundle"}, names...)...)
}

// stack returns the layers of the step's root.
func (r *stepRun) stack() image.Stack {
	return append(append(image.Stack{}, r.step.Layers...), filepath.Join(r.step.Dir, "fs"))
}

// prepare creates the bundle. It runs on the step's thread.
func (r *stepRun) prepare() error {
	if err := enterMountNamespace(r.bundle()); err != nil {
		return err
	}
	for _, dir := range []string{"rootfs", "stubs", "mnt", "secrets", "pipes", "ssh"} {
		if err := os.Mkdir(r.bundle(dir), 0o755); err != nil {
			return err
		}
	}
	if err := r.copyRootAttributes(); err != nil {
		return err
	}
	who, err := image.LookUp(r.stack(), r.step.Op.User)
	if err != nil {
		return err
	}
	f, err := r.gatherFacts(who)
	if err != nil {
		return err
	}
	if r.spec, err = newConfig(r.step.Op, f); err != nil {
		return err
	}
	if parent := r.step.Op.Limits.CgroupParent; parent != "" {
		r.spec.Linux.CgroupsPath = filepath.Join(parent, r.id)
	}
	if err := r.addDevices(); err != nil {
		return err
	}
	if err := r.addHostFiles(); err != nil {
		return err
	}
	if err := r.addMounts(); err != nil {
		return err
	}
	layers, err := r.createMountpoints()
	if err != nil {
		return err
	}
	image.SetLayers(r.spec, layers, filepath.Join(r.step.Dir, "fs"))
	r.spec.Annotations[spec.AnnotationVolatile] = "true"
	r.spec.Annotations[spec.AnnotationDieWithParent] = "true"
	text, err := spec.Compact(r.spec)
	if err != nil {
		return err
	}
	return os.WriteFile(r.bundle("config.json"), text, 0o600)
}

// copyRootAttributes copies the attributes of the root below to the layer's directory, which is the
// container's root.
func (r *stepRun) copyRootAttributes() error {
	if len(r.step.Layers) == 0 || r.terminal != nil {
		return nil
	}
	var st unix.Stat_t
	top, upper := r.step.Layers[len(r.step.Layers)-1], filepath.Join(r.step.Dir, "fs")
	if err := unix.Lstat(top, &st); err != nil {
		return &os.PathError{Op: "stat", Path: top, Err: err}
	}
	return copyAttributes(upper, top, &st)
}

// copyAttributes copies the owner, mode, extended attributes and times of one directory to another.
func copyAttributes(dir, model string, st *unix.Stat_t) error {
	if err := fileattr.SetOwnerAndMode(dir, st); err != nil {
		return err
	}
	if err := copyXattrs(dir, model); err != nil {
		return err
	}
	times := []unix.Timespec{st.Atim, st.Mtim}
	if err := unix.UtimesNanoAt(unix.AT_FDCWD, dir, times, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return &os.PathError{Op: "set the times of", Path: dir, Err: err}
	}
	return nil
}
