// Package filecopy writes files to a file system that is being built: it implements COPY, ADD and
// WORKDIR. The file system may be untrusted, so the destination's links are followed inside it
// only.
//
//	filecopy.go   Copy, File: selections and single files
//	directory.go  destinations: found, or created
//	write.go      one file, one directory: content, owner, attributes, mode, time
//	chmod.go      --chmod (pure)
//	archive.go    ADD of an archive: whether a file is one, and unpacking it
package filecopy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/build/contenthash"
)

// Options are the options of COPY and ADD.
type Options struct {
	Dest      string // absolute
	DestIsDir bool   // it ends with /
	UID, GID  *int   // --chown; nil: the source's
	Chmod     string
	Parents   bool
	Unpack    bool       // unpack archives among the sources
	Time      *time.Time // of created directories: SOURCE_DATE_EPOCH
	Modified  *time.Time // of a fetched file
	Mode      uint32     // of a file without --chmod
}

// A copier places the files of one instruction.
type copier struct {
	o       Options
	root    *os.File
	chmod   func(mode uint32, isDir bool) uint32
	links   map[[2]uint64]string // regular files of one source that have several names: where the first name was placed
	created []createdDir         // their times are set when they are complete

	dir      string   // the directory of the last file, which is usually that of the next one too
	dirFD    *os.File // nil: none
	replaced bool     // a link in its path may have been replaced
}

type createdDir struct {
	path string
	time unix.Timespec
}

func newCopier(root *os.File, o Options) (*copier, error) {
	c := &copier{o: o, root: root, links: map[[2]uint64]string{}}
	if o.Chmod != "" {
		var err error
		if c.chmod, err = ParseChmod(o.Chmod); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Copy places the selected files.
func Copy(ctx context.Context, root *os.File, s *contenthash.Selection, o Options) error {
	c, err := newCopier(root, o)
	if err != nil {
		return err
	}
	defer c.closeDirectory()
	if o.Parents && s.Named { // it is created even if no file matches
		fd, err := c.ensureDirectory(o.Dest)
		if err != nil {
			return err
		}
		_ = unix.Close(fd)
	}
	source := -1
	for i := range s.Files {
		if err := ctx.Err(); err != nil {
			return err
		}
		f := &s.Files[i]
		if f.Source != source { // writing its files changes the times set on directories of the previous source
			if err := c.setTimes(); err != nil {
				return err
			}
			clear(c.links)
			source = f.Source
		}
		at, err := c.destination(f)
		if err == nil {
			err = c.copyEntry(ctx, s.Tree, f, at)
		}
		if err != nil {
			if at == "" {
				at = path.Join(o.Dest, f.Name)
			}
			return fmt.Errorf("cannot copy /%s from %s to %s: %w", f.Path, s.Tree.Label, at, err)
		}
	}
	return c.setTimes()
}

// destination returns the path of a file in the destination.
func (c *copier) destination(f *contenthash.File) (string, error) {
	if !f.IsSource {
		return path.Join(c.o.Dest, f.Name), nil
	}
	if c.o.DestIsDir || c.isDirectory(c.o.Dest) {
		return path.Join(c.o.Dest, f.Name), nil
	}
	return c.o.Dest, nil
}

func (c *copier) copyEntry(ctx context.Context, t *contenthash.Tree, f *contenthash.File, at string) error {
	m := c.metadata(t, f)
	if f.Stat.Mode&unix.S_IFMT == unix.S_IFDIR {
		return c.copyDirectory(t, f, at, m)
	}
	if c.o.Unpack && f.IsSource && f.Stat.Mode&unix.S_IFMT == unix.S_IFREG {
		done, err := c.unpackSource(ctx, t, f)
		if done || err != nil {
			return err
		}
	}
	open := c.openParent
	if at == c.o.Dest {
		open = c.openTarget
	}
	parent, base, err := open(at)
	if err != nil {
		return err
	}
	key := [2]uint64{f.Stat.Dev, f.Stat.Ino}
	if first, ok := c.links[key]; ok && f.HasLinks() {
		return c.writeLink(first, parent, base)
	}
	attributes, err := t.Attributes(f)
	if err != nil {
		return err
	}
	m.attributes = attributes
	switch f.Stat.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		content, err := t.Open(f)
		if err != nil {
			return err
		}
		err = c.writeFile(ctx, parent, base, content, m)
		if err = errors.Join(err, content.Close()); err != nil {
			return err
		}
	case unix.S_IFLNK:
		target, err := t.Readlink(f)
		if err != nil {
			return err
		}
		return c.writeSymlink(parent, base, target, m)
	case unix.S_IFSOCK: // it would have no listener: becomes an empty file, as in BuildKit
		return c.writeFile(ctx, parent, base, strings.NewReader(""), m)
	default:
		if t.Foreign && f.Stat.Mode&unix.S_IFMT != unix.S_IFIFO ||
			f.Stat.Rdev == 0 && f.Stat.Mode&unix.S_IFMT == unix.S_IFCHR {
			return errors.New("device files of a context are not copied")
		}
		if err := c.writeNode(parent, base, &f.Stat, m); err != nil {
			return err
		}
	}
	if f.HasLinks() {
		c.links[key] = at
	}
	return nil
}

// metadata returns a file's metadata: the source's, modified by the flags.
func (c *copier) metadata(t *contenthash.Tree, f *contenthash.File) metadata {
	m := metadata{uid: int(f.Stat.Uid), gid: int(f.Stat.Gid), mode: f.Stat.Mode & 0o7777, modified: f.Stat.Mtim}
	if t.Foreign {
		m.uid, m.gid = 0, 0
	}
	c.applyFlags(&m, f.Stat.Mode&unix.S_IFMT == unix.S_IFDIR)
	return m
}

func (c *copier) applyFlags(m *metadata, isDir bool) {
	if c.o.UID != nil {
		m.uid, m.gid = *c.o.UID, *c.o.GID
	}
	if c.chmod != nil {
		m.mode = c.chmod(m.mode, isDir)
	}
}

// File places a file that does not come from a tree: a here-document, or a fetched file.
func File(ctx context.Context, root *os.File, name string, content io.Reader, o Options) error {
	c, err := newCopier(root, o)
	if err != nil {
		return err
	}
	defer c.closeDirectory()
	at := o.Dest
	if o.DestIsDir || c.isDirectory(at) {
		if name = path.Base("/" + name); name == "/" {
			return fmt.Errorf("%s is a directory, and the source has no file name", o.Dest)
		}
		at = path.Join(o.Dest, name)
	}
	now := time.Now()
	for _, t := range []*time.Time{o.Time, o.Modified} {
		if t != nil {
			now = *t
		}
	}
	m := metadata{mode: cmp.Or(o.Mode, 0o644), modified: unix.NsecToTimespec(now.UnixNano())}
	c.applyFlags(&m, false)
	open := c.openParent
	if at == o.Dest {
		open = c.openTarget
	}
	parent, base, err := open(at)
	if err != nil {
		return err
	}
	if err := c.writeFile(ctx, parent, base, content, m); err != nil {
		return fmt.Errorf("cannot write %s: %w", at, err)
	}
	return c.setTimes()
}

// Directory creates a directory and its parents, if they do not exist, for WORKDIR. If when is
// not nil, it is the time of the directory if it was created, but not of its parents.
func Directory(root *os.File, name string, uid, gid int, when *time.Time) error {
	c := &copier{root: root, o: Options{UID: &uid, GID: &gid, Time: when}}
	fd, err := c.ensureDirectory(name)
	if err != nil {
		return fmt.Errorf("cannot create the directory %s: %w", name, err)
	}
	c.created = slices.DeleteFunc(
		c.created, func(d createdDir) bool { return cleanRelative(d.path) != cleanRelative(name) },
	)
	return errors.Join(unix.Close(fd), c.setTimes())
}

// setTimes sets the times of the created directories.
func (c *copier) setTimes() error {
	for _, d := range c.created {
		fd, err := c.open(d.path, unix.O_PATH|unix.O_DIRECTORY)
		if err != nil {
			return err
		}
		err = unix.UtimesNanoAt(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd), []unix.Timespec{d.time, d.time}, 0)
		if err = errors.Join(err, unix.Close(fd)); err != nil {
			return fmt.Errorf("cannot set the time of %s: %w", d.path, err)
		}
	}
	c.created = c.created[:0]
	return nil
}

// unrooted returns a path relative to the root, not cleaned.
func unrooted(name string) string {
	if name = strings.TrimLeft(name, "/"); name == "" {
		return "."
	}
	return name
}

func cleanRelative(name string) string {
	if name = strings.TrimLeft(path.Clean("/"+name), "/"); name == "" {
		return "."
	}
	return name
}
