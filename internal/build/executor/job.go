package executor

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/filelock"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/spec"
)

// A job is a running step.
//
//	DIR/bundle     a tmpfs that only the step's thread sees
//	DIR/discard/N  writes to a bind mount
//
// The directory is locked while the step's builder is running: see Sweep.
type job struct {
	*Executor
	*Step
	id, dir  string
	lock     *os.File
	terminal *os.File

	caches   map[string]*cache // by identity
	spec     *specs.Spec
	files    map[string]bool // sources of bind mounts that are not directories
	agents   []net.Listener
	rootless bool
}

func (e *Executor) newJob(s *Step) (*job, error) {
	minirun, err := filepath.Abs(e.Minirun)
	if err != nil {
		return nil, err
	}
	own := *e
	own.Minirun = minirun
	j := &job{Executor: &own, Step: s, id: e.named() + rand.Text(), files: map[string]bool{}, rootless: namespaces.Unprivileged()}
	j.dir = filepath.Join(e.Store.Dir, "tmp", j.id)
	for _, dir := range []string{e.root(), j.dir} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
	}
	j.lock, err = lockFile(j.dir, unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, fs.ErrNotExist) {
		return e.newJob(s) // another build removed it before it was locked
	}
	if err == nil {
		err = os.Mkdir(j.bundle(), 0o700) // not before: Sweep removes directories without a lock
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(j.dir))
	}
	return j, nil
}

// end removes the step's files on disk. Its thread has ended, and with it all mounts there.
func (j *job) end() error {
	for _, a := range j.agents {
		_ = a.Close()
	}
	for _, c := range j.caches {
		_ = c.lock.Close()
	}
	err := os.RemoveAll(j.dir)
	return errors.Join(err, j.lock.Close())
}

func (j *job) bundle(names ...string) string {
	return filepath.Join(append([]string{j.dir, "bundle"}, names...)...)
}

// stack returns the layers of the step's root.
func (j *job) stack() image.Stack {
	return append(append(image.Stack{}, j.Layers...), filepath.Join(j.Dir, "fs"))
}

// prepare creates the bundle. It runs on the step's thread.
func (j *job) prepare() error {
	if err := private(j.bundle()); err != nil {
		return err
	}
	for _, dir := range []string{"rootfs", "stubs", "mnt", "secrets", "pipes", "ssh"} {
		if err := os.Mkdir(j.bundle(dir), 0o755); err != nil {
			return err
		}
	}
	if err := j.likeRoot(); err != nil {
		return err
	}
	who, err := image.LookUp(j.stack(), j.Op.User)
	if err != nil {
		return err
	}
	f, err := j.facts(who)
	if err != nil {
		return err
	}
	if j.spec, err = configure(j.Op, f); err != nil {
		return err
	}
	if parent := j.Op.Limits.CgroupParent; parent != "" {
		j.spec.Linux.CgroupsPath = filepath.Join(parent, j.id)
	}
	if err := j.addDevices(); err != nil {
		return err
	}
	if err := j.hostFiles(); err != nil {
		return err
	}
	if err := j.mounts(); err != nil {
		return err
	}
	layers, err := j.stubs()
	if err != nil {
		return err
	}
	image.SetLayers(j.spec, layers, filepath.Join(j.Dir, "fs"))
	j.spec.Annotations[spec.AnnotationVolatile] = "true"
	j.spec.Annotations[spec.AnnotationDieWithParent] = "true"
	text, err := spec.Compact(j.spec)
	if err != nil {
		return err
	}
	return os.WriteFile(j.bundle("config.json"), text, 0o600)
}

// likeRoot copies the attributes of the root below to the layer's directory, which is the
// container's root.
func (j *job) likeRoot() error {
	if len(j.Layers) == 0 || j.terminal != nil {
		return nil
	}
	var st unix.Stat_t
	top, upper := j.Layers[len(j.Layers)-1], filepath.Join(j.Dir, "fs")
	if err := unix.Lstat(top, &st); err != nil {
		return &os.PathError{Op: "look at", Path: top, Err: err}
	}
	return like(upper, top, &st)
}

// like copies the owner, mode, extended attributes and times of one directory to another.
func like(dir, model string, st *unix.Stat_t) error {
	if err := os.Lchown(dir, int(st.Uid), int(st.Gid)); err != nil {
		return err
	}
	if err := unix.Chmod(dir, st.Mode&0o7777); err != nil {
		return &os.PathError{Op: "chmod", Path: dir, Err: err}
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

// lockFile opens a file or directory and locks it. If it was removed before it was locked, the
// error is fs.ErrNotExist.
func lockFile(path string, how int) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	err = filelock.Flock(int(f.Fd()), how)
	if err == nil {
		var named bool
		if named, err = filelock.IsNamed(int(f.Fd()), path); err == nil && !named {
			err = fs.ErrNotExist
		}
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return f, nil
}
