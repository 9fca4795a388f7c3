// Package filecopy writes files to a file system that is being built: it implements COPY, ADD and
// WORKDIR. The file system may be untrusted, so the destination's links are followed inside it
// only.
//
//	place.go      Copy, File: selections and single files
//	directory.go  destinations: found, or created
//	write.go      one file, one directory: content, owner, attributes, mode, time
//	chmod.go      --chmod (pure)
//	archive.go    ADD of an archive
//	isarchive.go  whether a file is an archive
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

// A placer places the files of one instruction.
type placer struct {
	o     Options
	root  *os.File
	chmod func(mode uint32, isDir bool) uint32
	links map[[2]uint64]string // regular files of one source that have several names: where the first name was placed
	made  []madeDir            // their times are set when they are complete

	dir      string   // the directory of the last file, which is usually that of the next one too
	dirFD    *os.File // nil: none
	replaced bool     // a link in its path may have been replaced
}

type madeDir struct {
	path string
	time unix.Timespec
}

func newPlacer(root *os.File, o Options) (*placer, error) {
	p := &placer{o: o, root: root, links: map[[2]uint64]string{}}
	if o.Chmod != "" {
		var err error
		if p.chmod, err = ParseChmod(o.Chmod); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// Copy places the selected files.
func Copy(ctx context.Context, root *os.File, s *contenthash.Selection, o Options) error {
	p, err := newPlacer(root, o)
	if err != nil {
		return err
	}
	defer p.leave()
	if o.Parents && s.Named { // it is created even if no file matches
		fd, err := p.ensure(o.Dest)
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
			if err := p.finish(); err != nil {
				return err
			}
			clear(p.links)
			source = f.Source
		}
		at, err := p.destination(f)
		if err == nil {
			err = p.place(ctx, s.Tree, f, at)
		}
		if err != nil {
			if at == "" {
				at = path.Join(o.Dest, f.Name)
			}
			return fmt.Errorf("copy /%s of %s to %s: %w", f.Path, s.Tree.Label, at, err)
		}
	}
	return p.finish()
}

// destination returns the path of a file in the destination.
func (p *placer) destination(f *contenthash.Found) (string, error) {
	if !f.Alone {
		return path.Join(p.o.Dest, f.Name), nil
	}
	if p.o.DestIsDir || p.isDirectory(p.o.Dest) {
		return path.Join(p.o.Dest, f.Name), nil
	}
	return p.o.Dest, nil
}

func (p *placer) place(ctx context.Context, t *contenthash.Tree, f *contenthash.Found, at string) error {
	m := p.metadata(t, f)
	if f.Stat.Mode&unix.S_IFMT == unix.S_IFDIR {
		return p.directory(t, f, at, m)
	}
	if p.o.Unpack && f.Alone && f.Stat.Mode&unix.S_IFMT == unix.S_IFREG {
		done, err := p.unpack(ctx, t, f)
		if done || err != nil {
			return err
		}
	}
	parent, base, err := p.parent(at, at == p.o.Dest)
	if err != nil {
		return err
	}
	key := [2]uint64{f.Stat.Dev, f.Stat.Ino}
	if first, ok := p.links[key]; ok && f.HasLinks() {
		return p.link(first, parent, base)
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
		err = p.file(ctx, parent, base, content, m)
		if err = errors.Join(err, content.Close()); err != nil {
			return err
		}
	case unix.S_IFLNK:
		target, err := t.Readlink(f)
		if err != nil {
			return err
		}
		return p.symlink(parent, base, target, m)
	case unix.S_IFSOCK: // it would have no listener: becomes an empty file, as in BuildKit
		return p.file(ctx, parent, base, strings.NewReader(""), m)
	default:
		if t.Foreign && f.Stat.Mode&unix.S_IFMT != unix.S_IFIFO || f.Stat.Rdev == 0 && f.Stat.Mode&unix.S_IFMT == unix.S_IFCHR {
			return errors.New("is a device: a context has none")
		}
		if err := p.node(parent, base, &f.Stat, m); err != nil {
			return err
		}
	}
	if f.HasLinks() {
		p.links[key] = at
	}
	return nil
}

// metadata returns a file's metadata: the source's, modified by the flags.
func (p *placer) metadata(t *contenthash.Tree, f *contenthash.Found) metadata {
	m := metadata{uid: int(f.Stat.Uid), gid: int(f.Stat.Gid), mode: f.Stat.Mode & 0o7777, modified: f.Stat.Mtim}
	if t.Foreign {
		m.uid, m.gid = 0, 0
	}
	p.change(&m, f.Stat.Mode&unix.S_IFMT == unix.S_IFDIR)
	return m
}

func (p *placer) change(m *metadata, isDir bool) {
	if p.o.UID != nil {
		m.uid, m.gid = *p.o.UID, *p.o.GID
	}
	if p.chmod != nil {
		m.mode = p.chmod(m.mode, isDir)
	}
}

// File places a file that does not come from a tree: a here-document, or a fetched file.
func File(ctx context.Context, root *os.File, name string, content io.Reader, o Options) error {
	p, err := newPlacer(root, o)
	if err != nil {
		return err
	}
	defer p.leave()
	at := o.Dest
	if o.DestIsDir || p.isDirectory(at) {
		if name = path.Base("/" + name); name == "/" {
			return fmt.Errorf("%s: is a directory, and the source has no name", o.Dest)
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
	p.change(&m, false)
	parent, base, err := p.parent(at, at == o.Dest)
	if err != nil {
		return err
	}
	if err := p.file(ctx, parent, base, content, m); err != nil {
		return fmt.Errorf("write %s: %w", at, err)
	}
	return p.finish()
}

// Directory creates a directory and its parents, if they do not exist, for WORKDIR. If when is
// not nil, it is the time of the directory if it was created, but not of its parents.
func Directory(root *os.File, name string, uid, gid int, when *time.Time) error {
	p := &placer{root: root, o: Options{UID: &uid, GID: &gid, Time: when}}
	fd, err := p.ensure(name)
	if err != nil {
		return fmt.Errorf("make the directory %s: %w", name, err)
	}
	p.made = slices.DeleteFunc(p.made, func(d madeDir) bool { return relative(d.path) != relative(name) })
	return errors.Join(unix.Close(fd), p.finish())
}

// finish sets the times of the created directories.
func (p *placer) finish() error {
	for _, d := range p.made {
		fd, err := p.open(d.path, unix.O_PATH|unix.O_DIRECTORY)
		if err != nil {
			return err
		}
		err = unix.UtimesNanoAt(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd), []unix.Timespec{d.time, d.time}, 0)
		if err = errors.Join(err, unix.Close(fd)); err != nil {
			return fmt.Errorf("set the time of %s: %w", d.path, err)
		}
	}
	p.made = p.made[:0]
	return nil
}

// inside returns a path relative to the root, not cleaned.
func inside(name string) string {
	if name = strings.TrimLeft(name, "/"); name == "" {
		return "."
	}
	return name
}

func relative(name string) string {
	if name = strings.TrimLeft(path.Clean("/"+name), "/"); name == "" {
		return "."
	}
	return name
}
