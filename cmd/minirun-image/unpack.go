package main

import (
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/containerd/continuity/fs"
	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/atomicfile"
	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/overlay"
	"github.com/minirun/minirun/internal/image/store"
	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/spec"
	"github.com/minirun/minirun/internal/termtext"
)

func unpackCommand() *cli.Command {
	return &cli.Command{
		Name: "unpack", Usage: "unpack an image's layers in the store, or its root file system into a directory", ArgsUsage: "IMAGE [DIR]",
		Description: "DIR gets mode 0700, unless a parent directory already excludes other users, because the\nimage may contain set-user-ID programs.",
		Action:      unpackImage,
	}
}

func unpackImage(ctx *cli.Context) error {
	if err := cmdline.CheckCount(ctx, 1, 2); err != nil {
		return err
	}
	s, release, err := shared(ctx)
	if err != nil {
		return err
	}
	defer release()
	_, layers, err := unpacked(ctx, s, ctx.Args().First())
	if err != nil {
		return err
	}
	if ctx.NArg() == 2 {
		return flatten(ctx.Context, layers, ctx.Args().Get(1))
	}
	for n, dir := range layers {
		termtext.Fprintf(ctx.App.Writer, "%d %s\n", n+1, dir)
	}
	return nil
}

// unpacked finds an image and its layers' directories, which it creates if necessary.
func unpacked(ctx *cli.Context, s *store.Store, name string) (*store.Image, []string, error) {
	i, err := s.OpenImage(name)
	if err != nil {
		return nil, nil, err
	}
	p, wait := transferProgress(ctx.Bool("quiet"))
	err = s.Unpack(ctx.Context, i, p.Begin)
	if wait(); err != nil {
		return nil, nil, fmt.Errorf("unpack %s: %w", name, err)
	}
	layers, err := s.Layers(i.ID())
	return i, layers, err
}

// flatten copies the tree that a container with these layers would see to a new directory. It
// copies into a private directory and then moves the result, so that other users can never execute
// an image's set-user-ID programs (CVE-2021-41091).
func flatten(ctx context.Context, layers []string, dir string) error {
	if _, err := os.Lstat(dir); err == nil {
		return fmt.Errorf("%s already exists\nhint: choose a new directory", dir)
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	private, err := os.MkdirTemp(filepath.Dir(dir), "."+filepath.Base(dir)+".")
	if err != nil {
		return err
	}
	root := filepath.Join(private, "root")
	if err = copyLayers(ctx, layers, root); err == nil {
		err = keepOthersOut(root, dir)
	}
	if err == nil {
		err = os.Rename(root, dir)
	}
	if err != nil {
		err = fmt.Errorf("copy the root file system to %s: %w", dir, err)
	}
	return errors.Join(err, os.RemoveAll(private))
}

// keepOthersOut sets mode 0700 on a root file system, unless a directory above its destination
// already keeps other users out. A directory of another user does not, since its owner can enter
// it.
func keepOthersOut(root, dir string) error {
	place, err := filepath.Abs(filepath.Dir(dir))
	if err == nil {
		place, err = filepath.EvalSymlinks(place)
	}
	if err != nil {
		return err
	}
	for at := place; ; at = filepath.Dir(at) {
		var st unix.Stat_t
		if err := unix.Stat(at, &st); err != nil {
			return &os.PathError{Op: "stat", Path: at, Err: err}
		}
		if isOurs := st.Uid == 0 || int(st.Uid) == os.Geteuid(); isOurs && st.Mode&0o011 == 0 {
			return nil
		}
		if at == "/" {
			break
		}
	}
	termtext.Fprintf(os.Stderr, "minirun: %s gets mode 0700, because the image may contain set-user-ID programs\n", dir)
	return os.Chmod(root, 0o700)
}

// copyLayers copies layers to a new directory.
func copyLayers(ctx context.Context, layers []string, dir string) error {
	if len(layers) == 0 {
		return os.Mkdir(dir, 0o755)
	}
	tree, err := overlay.Open(layers, namespaces.Unprivileged())
	if err != nil {
		return err
	}
	defer func() { _ = tree.Close() }()
	stop, err := stopCopying(ctx, tree)
	if err != nil {
		return err
	}
	defer stop()
	err = copyTree(dir, fmt.Sprintf("/proc/self/fd/%d/.", tree.Fd()))
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// stopCopying aborts a copy of a tree when the context ends. The library that copies does not take
// a context, so the tree's descriptor is replaced with one of /dev/null, below which no file can be
// found.
func stopCopying(ctx context.Context, tree *os.File) (stop func(), err error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	done := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		defer close(done)
		_ = unix.Dup3(int(null.Fd()), int(tree.Fd()), unix.O_CLOEXEC)
	})
	return func() {
		if !cancel() {
			<-done
		}
		_ = null.Close()
	}, nil
}

// copyTree copies a directory with all attributes of its files. The library leaves the time of the
// copy on directories, so their times are set after their contents are complete.
func copyTree(to, from string) error {
	if err := fs.CopyDir(to, from); err != nil {
		return err
	}
	return filepath.WalkDir(from, func(path string, d iofs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return &os.PathError{Op: "stat", Path: path, Err: err}
		}
		at := filepath.Join(to, strings.TrimPrefix(path, filepath.Clean(from)))
		return unix.UtimesNanoAt(unix.AT_FDCWD, at, []unix.Timespec{st.Atim, st.Mtim}, unix.AT_SYMLINK_NOFOLLOW)
	})
}

func bundleCommand() *cli.Command {
	return &cli.Command{
		Name: "bundle", Usage: "write an OCI bundle from an image, for minirun, runc or crun", ArgsUsage: "IMAGE DIR",
		Description: "DIR is created with mode 0700, because the image may contain set-user-ID programs.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "layers", Usage: "use the store's layers instead of copying them; only minirun can run the bundle"},
		},
		Action: bundle,
	}
}

func bundle(ctx *cli.Context) error {
	if err := cmdline.CheckCount(ctx, 2, 2); err != nil {
		return err
	}
	dir := ctx.Args().Get(1)
	if _, err := os.Lstat(filepath.Join(dir, "config.json")); err == nil {
		return fmt.Errorf("bundle: %s already contains a config.json\nhint: choose a new directory", dir)
	}
	s, release, err := shared(ctx)
	if err != nil {
		return err
	}
	defer release()
	_, layers, err := unpacked(ctx, s, ctx.Args().First())
	if err != nil {
		return err
	}
	light, err := s.Open(ctx.Args().First())
	if err != nil {
		return err
	}
	who, err := image.LookUp(layers, light.Config.Config.User)
	if err != nil {
		return err
	}
	config, err := image.Convert(light.Config, image.Wishes{}, who)
	if err != nil {
		return err
	}
	config.Hostname = "minirun"
	config.Linux.MaskedPaths = append(config.Linux.MaskedPaths, spec.HostMasks("/")...)
	if namespaces.Unprivileged() {
		if err := unprivileged(config); err != nil {
			return err
		}
	}
	return writeBundle(ctx.Context, dir, config, layers, ctx.Bool("layers"))
}

// unprivileged adapts a configuration to the user who runs this program, with the IDs of the files
// in the bundle.
func unprivileged(config *specs.Spec) error {
	uids, gids := namespaces.Ranges()
	if madeNamespace { // the user runs the bundle outside of it
		var err error
		if uids, gids, err = namespaces.Current(); err != nil {
			return err
		}
	}
	config.Linux.Resources = nil // the user may not have a writable cgroup
	return image.Unprivileged(config, uids, gids, false)
}

func writeBundle(ctx context.Context, dir string, config *specs.Spec, layers []string, refer bool) error {
	if err := atomicfile.CheckDirectory(dir); err != nil {
		return fmt.Errorf("bundle: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	// Accessible only to its owner: the root file system in it may contain set-user-ID programs,
	// and keeps its mode.
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, iofs.ErrExist) {
		return err
	}
	rootfs := filepath.Join(dir, "rootfs")
	var err error
	if refer {
		image.SetLayers(config, layers, "")
		err = os.Mkdir(rootfs, 0o755)
	} else {
		err = flatten(ctx, layers, rootfs)
	}
	if err != nil {
		return err
	}
	text, err := spec.Marshal(config)
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(dir, "config.json"), text, 0o644)
}
