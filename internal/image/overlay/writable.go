package overlay

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/overlay"
	"github.com/minirun/minirun/internal/ownthread"
)

// An Overlay is layers, lowest first, below a directory that receives the changes. Upper and Work
// are on the same file system; Work is empty before, and of no use afterwards. Without an Upper it
// is read-only and needs at least two layers.
type Overlay struct {
	Layers      []string
	Upper, Work string
	UserXattrs  bool // marks are in user.overlay.*: the mounting process is not the host's root
}

// OpenWritable mounts layers, lowest first, below the directory upper, invisibly to other
// processes, and returns a descriptor of the mount, which is released with the descriptor. The
// directory work must be empty and on the same file system, and is of no use afterwards. Without
// layers, the result is upper alone.
func OpenWritable(layers []string, upper, work string, userXattrs bool) (*os.File, error) {
	o := Overlay{Layers: overlay.Distinct(layers), Upper: upper, Work: work, UserXattrs: userXattrs}
	if len(layers) > 0 {
		f, err := o.createMount()
		if !errors.Is(err, errors.ErrUnsupported) {
			return f, wrapError(err, o)
		}
	}
	f, err := mountOnThread(o)
	return f, wrapError(err, o)
}

// mountOnThread mounts the overlay on a separate thread, which takes its mounts with it when it exits.
func mountOnThread(o Overlay) (f *os.File, err error) {
	err = ownthread.Run(func() (err error) {
		f, err = o.mountPrivately()
		return err
	})
	return f, err
}

// Attach mounts an overlay on a directory, in the calling thread's mount namespace.
func (o Overlay) Attach(target string) error {
	o.Layers = overlay.Distinct(o.Layers)
	f, err := o.createMount()
	if errors.Is(err, errors.ErrUnsupported) {
		return wrapError(o.mount(target), o)
	}
	if err != nil {
		return wrapError(err, o)
	}
	defer f.Close()
	return Move(f, target)
}

// Move attaches a detached mount to a path.
func Move(mount *os.File, target string) error {
	if err := unix.MoveMount(int(mount.Fd()), "", unix.AT_FDCWD, target, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return &os.PathError{Op: "mount on", Path: target, Err: err}
	}
	return nil
}

func wrapError(err error, o Overlay) error {
	if err != nil {
		return fmt.Errorf("cannot mount %d layers below %s: %w", len(o.Layers), o.Upper, err)
	}
	return nil
}

// createMount adds the layers one by one, so there may be hundreds of them. If there are too many for one
// mount, the lowest ones are mounted first and become the lowest layer of a second overlay. Kernels
// before Linux 6.8 do not support this: errors.ErrUnsupported.
func (o Overlay) createMount() (*os.File, error) {
	if len(o.Layers) > overlay.MaxLayers {
		return nil, fmt.Errorf("overlayfs supports at most %d layers", overlay.MaxLayers)
	}
	below, layers := overlay.Split(o.Layers)
	lowest := -1
	if len(below) > 0 {
		f, err := Overlay{Layers: below, UserXattrs: o.UserXattrs}.createMount()
		if err != nil {
			return nil, err
		}
		defer func() { _ = f.Close() }()
		lowest = int(f.Fd())
	}
	fs, err := unix.Fsopen("overlay", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("fsopen overlay: %w", err)
	}
	defer unix.Close(fs)
	if err := addLayers(fs, layers, lowest); err != nil {
		return nil, err
	}
	for _, s := range [][2]string{{"upperdir", o.Upper}, {"workdir", o.Work}, {"source", "overlay"}} {
		if s[1] == "" {
			continue
		}
		if err := unix.FsconfigSetString(fs, s[0], s[1]); err != nil {
			return nil, fmt.Errorf("set %s to %s: %w", s[0], s[1], err)
		}
	}
	for name, wanted := range map[string]bool{"userxattr": o.UserXattrs, "volatile": o.Upper != ""} {
		if !wanted {
			continue
		}
		if err := unix.FsconfigSetFlag(fs, name); err != nil {
			return nil, fmt.Errorf("set %s: %w", name, err)
		}
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		if errors.Is(err, unix.EINVAL) { // before Linux 6.5, any option is accepted and rejected only here
			return nil, errors.ErrUnsupported
		}
		return nil, fmt.Errorf("create the overlay: %w", err)
	}
	attributes := 0
	if o.Upper == "" {
		attributes = unix.MOUNT_ATTR_RDONLY
	}
	mount, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, attributes)
	if err != nil {
		return nil, fmt.Errorf("fsmount: %w", err)
	}
	return os.NewFile(uintptr(mount), "overlay"), nil
}

// addLayers adds layers to an overlay, which expects the top one first, and the mount lowest below
// them, if there is one.
func addLayers(fs int, layers []string, lowest int) error {
	for i, l := range slices.Backward(layers) {
		err := unix.FsconfigSetString(fs, "lowerdir+", l)
		if errors.Is(err, unix.EINVAL) && i == len(layers)-1 {
			return errors.ErrUnsupported
		}
		if err != nil {
			return fmt.Errorf("add layer %s: %w", l, err)
		}
	}
	if lowest < 0 {
		return nil
	}
	if err := unix.FsconfigSetFd(fs, "lowerdir+", lowest); err != nil {
		return fmt.Errorf("add the lowest of more than %d layers, which needs Linux 6.13: %w", overlay.LayersPerMount,
			err)
	}
	return nil
}

// mountPrivately mounts the overlay in a private mount namespace, over the layers, and detaches it.
func (o Overlay) mountPrivately() (*os.File, error) {
	if err := unshareMounts(); err != nil {
		return nil, err
	}
	if len(o.Layers) == 0 {
		return cloneMount(o.Upper)
	}
	dir := overlay.CommonDir(o.Layers)
	if err := o.mount(dir); err != nil {
		return nil, err
	}
	return cloneMount(dir)
}

// mount passes the layers as one string: see lowerdir.
func (o Overlay) mount(target string) error {
	options, err := lowerdir(o.Layers, o.UserXattrs)
	if err != nil {
		return err
	}
	flags := uintptr(unix.MS_RDONLY)
	if o.Upper != "" {
		flags = 0
		options += ",volatile,upperdir=" + overlay.EscapePath(o.Upper) + ",workdir=" + overlay.EscapePath(o.Work)
	}
	return mount(target, flags, options)
}
