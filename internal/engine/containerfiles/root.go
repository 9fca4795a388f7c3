// Package containerfiles copies files into and out of containers.
//
//	root.go    the root directory of a container, running or not
//	mounts.go  the mounts of a container that is not running
//	path.go    the user's paths → open files and directories
//	copy.go    which file becomes which, as in docker cp
//
// A container may change its files at any moment, and it is not trusted. So nothing in it is looked up
// by a path of the host: every path is resolved by the kernel below a descriptor of the container's
// root directory, where links start at that root and proc's links are refused (CVE-2018-15664). No
// program or library of the container is loaded (CVE-2019-14271): only this program runs.
//
// The files travel as a tar archive between two goroutines, one of which packs what it has opened,
// while the other one creates files below a descriptor. Package layer does both.
package containerfiles

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/container/record"
	"github.com/minirun/minirun/internal/engine"
	"github.com/minirun/minirun/internal/image/overlay"
	"github.com/minirun/minirun/internal/inspect"
	"github.com/minirun/minirun/internal/namespaces"
)

// A Root is the root directory of a container.
type Root struct {
	name    string // of the container
	dir     *os.File
	config  config
	running bool
	release func() error

	// Of a container that is not running: which mounts of config.json were performed, and which not.
	mounted, hidden []string
}

// A config is the part of config.json that cp needs.
type config struct {
	Root   struct{ Readonly bool }
	Mounts []specs.Mount
	Linux  struct{ UIDMappings, GIDMappings []specs.LinuxIDMapping }
}

// Close releases the directory. A container that is not running can be started again afterwards.
func (r *Root) Close() error { return errors.Join(r.dir.Close(), r.release()) }

// readConfig reads the container's config.json.
func (r *Root) readConfig(e *engine.Engine) error {
	text, err := os.ReadFile(filepath.Join(e.Store.Container(r.name), "config.json"))
	if err == nil {
		err = json.Unmarshal(text, &r.config)
	}
	return err
}

// OpenRunning opens the root directory of a container whose first process runs, in its mount
// namespace, with its volumes. Without a process it returns nil.
func OpenRunning(e *engine.Engine, name string) (*Root, error) {
	l, err := e.Status(name)
	if err != nil {
		return nil, err
	}
	if !l.IsRunning() {
		return nil, nil
	}
	if l.Pid == 0 {
		return nil, fmt.Errorf("container %s is just being started or stopped\nhint: try again", name)
	}
	r := &Root{name: name, running: true, release: func() error { return nil }}
	if err := r.readConfig(e); err != nil {
		return nil, err
	}
	proc, err := unix.Open("/proc/"+strconv.Itoa(l.Pid), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("container %s: its first process exited", name)
	}
	defer func() { _ = unix.Close(proc) }()
	// The directory belongs to one process. If the container still has this process, it is not another
	// one that got the same number.
	if again, err := e.Status(name); err != nil || again.Pid != l.Pid || !hasOwnRoot(again) {
		return nil, errors.Join(err, fmt.Errorf("container %s is just being started or stopped\nhint: try again", name))
	}
	fd, err := unix.Openat(proc, "root", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open the root directory of container", Path: name, Err: err}
	}
	r.dir = os.NewFile(uintptr(fd), "/")
	if err := refuseHostRoot(fd); err != nil {
		return nil, errors.Join(fmt.Errorf("container %s: %w", name, err), r.dir.Close())
	}
	return r, nil
}

// hasOwnRoot reports whether the container's first process is past pivot_root: before, its root
// directory is the host's.
func hasOwnRoot(l *engine.Listed) bool {
	switch specs.ContainerState(l.State) {
	case specs.StateRunning, specs.StateCreated, record.StatePaused:
		return true
	}
	return false
}

// refuseHostRoot returns an error if a directory is this process's root.
func refuseHostRoot(fd int) error {
	var own, its unix.Stat_t
	if err := errors.Join(unix.Stat("/", &own), unix.Fstat(fd, &its)); err != nil {
		return err
	}
	if own.Dev == its.Dev && own.Ino == its.Ino {
		return errors.New("its root directory is the host's")
	}
	return nil
}

// OpenStopped mounts the layers and volumes of a container that is not running, invisibly to other
// processes, and keeps it from being started meanwhile.
func OpenStopped(e *engine.Engine, name string) (r *Root, err error) {
	unlock, err := e.LockStopped(name)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, unlock())
		}
	}()
	r = &Root{name: name}
	if err := r.readConfig(e); err != nil {
		return nil, err
	}
	dir := e.Store.Container(name)
	stack, err := inspect.FindStack("", dir)
	if err != nil {
		return nil, err
	}
	work, err := os.MkdirTemp(dir, "cp-*")
	if err != nil {
		return nil, err
	}
	layers := overlay.Overlay{Layers: stack.Lower, Upper: filepath.Join(dir, "upper"), Work: work,
		UserXattrs: namespaces.Unprivileged()}
	if err := r.mount(layers, filepath.Join(dir, "rootfs")); err != nil {
		return nil, errors.Join(err, os.RemoveAll(work))
	}
	r.release = func() error { return errors.Join(os.RemoveAll(work), unlock()) }
	return r, nil
}

// Inherit returns the root directory of a running container that the calling process has opened as
// descriptor fd.
func Inherit(e *engine.Engine, name string, fd int) (*Root, error) {
	r := &Root{name: name, running: true, dir: os.NewFile(uintptr(fd), "/"), release: func() error { return nil }}
	unix.CloseOnExec(fd)
	return r, r.readConfig(e)
}

// File returns the descriptor of the directory.
func (r *Root) File() *os.File { return r.dir }

// owner returns the owner in the host's IDs of a file that root in the container owns.
func (r *Root) owner(uid, gid uint32) (hostUID, hostGID int) {
	return toHost(r.config.Linux.UIDMappings, uid), toHost(r.config.Linux.GIDMappings, gid)
}

// toHost converts an ID of the container to the host's. In a user namespace with the same ranges, and
// without a user namespace, they are the same.
func toHost(mappings []specs.LinuxIDMapping, id uint32) int {
	if namespaces.InUserNamespace() {
		return int(id)
	}
	for _, m := range mappings {
		if id >= m.ContainerID && id-m.ContainerID < m.Size {
			return int(m.HostID + id - m.ContainerID)
		}
	}
	return int(id)
}

// fromHost is the inverse of toHost.
func fromHost(mappings []specs.LinuxIDMapping, id uint32) int {
	if namespaces.InUserNamespace() {
		return int(id)
	}
	for _, m := range mappings {
		if id >= m.HostID && id-m.HostID < m.Size {
			return int(m.ContainerID + id - m.HostID)
		}
	}
	return int(id)
}

// checkWritable returns an error if nothing can be copied to a place, given by its path in the
// container, because it is not really there while the container does not run.
func (r *Root) checkWritable(at string) error {
	if err := r.checkVisible(at); err != nil {
		return err
	}
	_, isVolume := isBelow(at, r.mounted)
	if !r.running && r.config.Root.Readonly && !isVolume { // otherwise the kernel checks it
		return fmt.Errorf("container %s is read-only", r.name)
	}
	return nil
}

// checkVisible returns an error for a path at or below a mount that was not performed.
func (r *Root) checkVisible(at string) error {
	if mount, hidden := isBelow(at, r.hidden); hidden {
		return fmt.Errorf("%s:%s is in the mount %s, which exists only while the container runs\n"+
			"hint: start it first with: minirun start %[1]s", r.name, at, mount)
	}
	return nil
}
