package containerfiles

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/image/layer"
)

// Options are the flags of cp.
type Options struct {
	Archive bool // -a: keep owners
	Follow  bool // -L: copy the target of a link
	Warn    func(any)
}

// A Copier copies files between one container and the host.
type Copier struct {
	Container *Root
	Options   Options
	Bytes     int64 // that were copied, as an archive
}

// Out copies a file of the container to a path of the host.
func (c *Copier) Out(ctx context.Context, from, to string) error {
	return c.between(ctx, tree{c.Container}, tree{}, from, to)
}

// In copies a file of the host into the container.
func (c *Copier) In(ctx context.Context, from, to string) error {
	return c.between(ctx, tree{}, tree{c.Container}, from, to)
}

// between copies a file or a directory.
func (c *Copier) between(ctx context.Context, source, destination tree, from, to string) error {
	s, err := source.openSource(from, c.Options.Follow)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(s.fd) }()
	d, err := destination.openDestination(to)
	if err != nil {
		return err
	}
	defer func() { _ = d.dir.Close() }()
	name, err := nameOf(s, d, strings.HasSuffix(to, "/"))
	if err != nil {
		return fmt.Errorf("cannot copy %s to %s: %w", source.describe(from), destination.describe(to), err)
	}
	o := layer.FileOptions{Name: name, Owner: c.owner(source), Skip: isKernelFileSystem}
	devices, example := 0, ""
	o.Untrusted = source.container != nil && !c.Options.Archive
	o.LeftOut = func(name string) { devices, example = devices+1, name }
	r, w := io.Pipe()
	defer context.AfterFunc(ctx, func() { _ = r.CloseWithError(ctx.Err()) })()
	packed := make(chan error, 1)
	go func() {
		err := layer.PackFile(&counter{w, &c.Bytes}, s.fd, o)
		_ = w.CloseWithError(err)
		packed <- err
	}()
	err = c.extract(ctx, d.dir, r)
	if err != nil {
		_ = r.CloseWithError(err)
	} else {
		_, err = io.Copy(io.Discard, r) // the end of the archive
	}
	if failed := <-packed; failed != nil && !errors.Is(failed, io.ErrClosedPipe) && !errors.Is(failed, err) {
		return failed
	}
	if devices > 0 {
		c.Options.Warn(fmt.Sprintf("%d devices are not copied, such as %s\nhint: -a copies devices", devices, example))
	}
	return err
}

// nameOf returns the name that the source gets in the destination's directory; "" for a directory whose
// content is copied there. The rules are those of docker cp.
func nameOf(s *source, d *destination, slash bool) (string, error) {
	switch {
	case d.isDir && s.isDir && (s.content || s.base == ""):
		return "", nil
	case d.isDir:
		return s.base, nil
	case d.exists && s.isDir:
		return "", errors.New("a directory cannot be copied to a file")
	case !d.exists && slash && !s.isDir:
		return "", errors.New("the destination ends with / but there is no such directory")
	}
	return d.base, nil
}

// owner returns the owners of copied files: those of the source with -a, otherwise root of the
// container, or the user who copies files out of it.
func (c *Copier) owner(from tree) func(*unix.Stat_t) layer.Owner {
	maps := c.Container.config.Linux
	switch {
	case from.container != nil && c.Options.Archive:
		return func(st *unix.Stat_t) layer.Owner {
			return layer.Owner{UID: fromHost(maps.UIDMappings, st.Uid), GID: fromHost(maps.GIDMappings, st.Gid)}
		}
	case from.container != nil:
		return func(*unix.Stat_t) layer.Owner { return layer.Owner{UID: os.Geteuid(), GID: os.Getegid()} }
	case c.Options.Archive:
		return func(st *unix.Stat_t) layer.Owner {
			uid, gid := c.Container.owner(st.Uid, st.Gid)
			return layer.Owner{UID: uid, GID: gid}
		}
	}
	uid, gid := c.Container.owner(0, 0)
	return func(*unix.Stat_t) layer.Owner { return layer.Owner{UID: uid, GID: gid} }
}

// extract unpacks an archive into a directory.
func (c *Copier) extract(ctx context.Context, dir *os.File, archive io.Reader) error {
	return layer.Extract(ctx, dir, tar.NewReader(archive), layer.ExtractOptions{
		InUse: true, KeepXattr: func(string) bool { return true },
	})
}

// Archive writes an archive of a file of the container. It returns when the context ends, even if w
// blocks.
func (c *Copier) Archive(ctx context.Context, from string, w io.Writer) error {
	s, err := tree{c.Container}.openSource(from, c.Options.Follow)
	if err != nil {
		return err
	}
	return unlessCanceled(ctx, func() error { return errors.Join(c.pack(s, w), unix.Close(s.fd)) })
}

// unlessCanceled calls do, but does not wait for it any longer when the context ends: it may be waiting
// for a pipe.
func unlessCanceled(ctx context.Context, do func() error) error {
	done := make(chan error, 1)
	go func() { done <- do() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pack writes an archive of a file with the owners that it has in the container.
func (c *Copier) pack(s *source, w io.Writer) error {
	maps := c.Container.config.Linux
	name := s.base
	if s.content {
		name = ""
	}
	return layer.PackFile(&counter{w, &c.Bytes}, s.fd, layer.FileOptions{
		Name: name, Skip: isKernelFileSystem, Owner: func(st *unix.Stat_t) layer.Owner {
			return layer.Owner{UID: fromHost(maps.UIDMappings, st.Uid), GID: fromHost(maps.GIDMappings, st.Gid)}
		},
	})
}

// Unpack unpacks an archive, which may be compressed, into a directory of the container.
func (c *Copier) Unpack(ctx context.Context, archive io.Reader, to string) error {
	d, err := tree{c.Container}.openDestination(to)
	if err != nil {
		return err
	}
	defer func() { _ = d.dir.Close() }()
	if !d.isDir {
		return fmt.Errorf("cannot unpack the archive to %s:%s: it must be an existing directory", c.Container.name, to)
	}
	return unlessCanceled(ctx, func() error {
		plain, err := layer.NewReader(ctx, archive)
		if err != nil {
			return fmt.Errorf("standard input: %w", err)
		}
		defer plain.Close()
		return c.extract(ctx, d.dir, io.TeeReader(plain, &counter{io.Discard, &c.Bytes}))
	})
}

// A counter counts the bytes that are written to w.
type counter struct {
	w io.Writer
	n *int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	*c.n += int64(n)
	return n, err
}

// isKernelFileSystem reports whether a directory is in a file system whose files are the kernel's
// interface, and not data.
func isKernelFileSystem(dir *os.File) bool {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(dir.Fd()), &st); err != nil {
		return false
	}
	switch st.Type {
	case unix.PROC_SUPER_MAGIC, unix.SYSFS_MAGIC, unix.CGROUP_SUPER_MAGIC, unix.CGROUP2_SUPER_MAGIC,
		unix.DEVPTS_SUPER_MAGIC, unix.DEBUGFS_MAGIC, unix.TRACEFS_MAGIC, unix.SECURITYFS_MAGIC, unix.BPF_FS_MAGIC:
		return true
	}
	return false
}
