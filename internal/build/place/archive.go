package place

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/build/tree"
	"github.com/minirun/minirun/internal/compression"
	"github.com/minirun/minirun/internal/ctxio"
)

// errNoArchive says that a file is copied as it is.
var errNoArchive = errors.New("is no archive")

// unpack unpacks a source that is an archive.
func (p *placer) unpack(ctx context.Context, t *tree.Tree, f *tree.Found) (bool, error) {
	file, err := t.Open(f)
	if err != nil {
		return false, err
	}
	defer func() { _ = file.Close() }()
	err = p.archive(ctx, file)
	if errors.Is(err, errNoArchive) {
		return false, nil
	}
	return true, err
}

// Archive unpacks an archive, compressed or not, into the destination, which is a
// directory.
func Archive(ctx context.Context, root *os.File, file *os.File, o Options) error {
	p, err := newPlacer(root, o)
	if err != nil {
		return err
	}
	defer p.leave()
	if err := p.archive(ctx, file); err != nil {
		return err
	}
	return p.finish()
}

func (p *placer) archive(ctx context.Context, r io.Reader) error {
	content, _, done, err := compression.Open(bufio.NewReaderSize(r, 256<<10))
	if err != nil {
		return errNoArchive // it only begins like one
	}
	defer done()
	in := tar.NewReader(ctxio.NewReader(ctx, content)) // a small file may have no end of zeros in it
	h, err := in.Next()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return errNoArchive
	}
	defer func(flag string) { p.o.Chmod = flag }(p.o.Chmod)
	p.o.Chmod = "" // it is about files, and an archive has modes of its own
	dir, err := p.ensure(p.o.Dest)
	if err != nil {
		return err
	}
	_ = unix.Close(dir)
	for ; err == nil; h, err = in.Next() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := p.member(ctx, h, in); err != nil {
			return fmt.Errorf("archive entry %q: %w", h.Name, err)
		}
	}
	if !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the archive: %w", err)
	}
	return nil
}

// member unpacks one entry. Names begin at the destination, whatever they say.
func (p *placer) member(ctx context.Context, h *tar.Header, content io.Reader) error {
	for part := range strings.SplitSeq(h.Name, "/") {
		if part == ".." {
			return errors.New("leads out of the destination")
		}
	}
	at := path.Join(p.o.Dest, path.Clean("/"+h.Name))
	if at == path.Clean(p.o.Dest) { // ./, which stays as it is
		return nil
	}
	if err := checkNumbers(h); err != nil {
		return err
	}
	m := metadata{uid: h.Uid, gid: h.Gid, mode: uint32(h.Mode) & 0o7777, modified: unix.NsecToTimespec(h.ModTime.UnixNano())}
	for record, value := range h.PAXRecords {
		name, ok := strings.CutPrefix(record, "SCHILY.xattr.")
		if ok && (name == "security.capability" || strings.HasPrefix(name, "user.") && !strings.HasPrefix(name, "user.overlay.")) {
			m.attributes = append(m.attributes, tree.Attribute{Name: name, Value: value})
		}
	}
	if p.o.UID != nil {
		m.uid, m.gid = *p.o.UID, *p.o.GID
	}
	parent, err := p.in(path.Dir(at))
	if err != nil {
		return err
	}
	base := path.Base(at)
	if err := p.clear(parent, at, h.Typeflag); err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeDir:
		fd, err := p.ensure(at)
		if err != nil {
			return err
		}
		_ = unix.Close(fd)
		if fd, err = p.open(relative(at), unix.O_RDONLY|unix.O_DIRECTORY); err != nil {
			return err
		}
		p.made = append(p.made, madeDir{relative(at), m.modified})
		return errors.Join(m.apply(fd), unix.Close(fd))
	case tar.TypeReg:
		return p.file(ctx, parent, base, content, m)
	case tar.TypeSymlink:
		return p.symlink(parent, base, h.Linkname, m)
	case tar.TypeLink:
		return p.link(path.Join(p.o.Dest, path.Clean("/"+h.Linkname)), parent, base)
	case tar.TypeFifo:
		return p.node(parent, base, &unix.Stat_t{Mode: unix.S_IFIFO | m.mode}, m)
	case tar.TypeChar, tar.TypeBlock:
		kind := uint32(unix.S_IFCHR)
		if h.Typeflag == tar.TypeBlock {
			kind = unix.S_IFBLK
		}
		if h.Devmajor == 0 && h.Devminor == 0 {
			return errors.New("the device 0:0 is overlay's mark of a deleted file")
		}
		return p.node(parent, base, &unix.Stat_t{Mode: kind | m.mode, Rdev: unix.Mkdev(uint32(h.Devmajor), uint32(h.Devminor))}, m)
	case tar.TypeXGlobalHeader:
		return nil
	}
	return fmt.Errorf("type %q is not one of a file", h.Typeflag)
}

// checkNumbers refuses what the kernel would take for something else: an owner of
// 4294967295 is "no change" to chown(2), and longer numbers lose their upper bits.
func checkNumbers(h *tar.Header) error {
	if h.Uid < 0 || h.Gid < 0 || int64(h.Uid) >= math.MaxUint32 || int64(h.Gid) >= math.MaxUint32 {
		return fmt.Errorf("owner %d:%d: out of range", h.Uid, h.Gid)
	}
	if h.Devmajor < 0 || h.Devmajor > 0xfff || h.Devminor < 0 || h.Devminor > 0xfffff {
		return fmt.Errorf("device %d:%d: out of range", h.Devmajor, h.Devminor)
	}
	return nil
}

// clear removes what an entry replaces: all but a directory where one is to be.
func (p *placer) clear(parent int, at string, kind byte) error {
	var st unix.Stat_t
	base := path.Base(at)
	err := unix.Fstatat(parent, base, &st, unix.AT_SYMLINK_NOFOLLOW)
	if errors.Is(err, unix.ENOENT) || kind == tar.TypeXGlobalHeader {
		return nil
	}
	isDir := st.Mode&unix.S_IFMT == unix.S_IFDIR
	if err != nil || isDir && kind == tar.TypeDir {
		return err
	}
	p.replaced = true
	if !isDir {
		return unix.Unlinkat(parent, base, 0)
	}
	gone := relative(at)
	p.made = slices.DeleteFunc(p.made, func(d madeDir) bool { return d.path == gone || strings.HasPrefix(d.path, gone+"/") })
	return os.RemoveAll(fmt.Sprintf("/proc/self/fd/%d/%s", parent, base))
}
