package layer

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/image"
)

// PackOptions say how a layer is packed.
type PackOptions struct {
	Latest *time.Time // SOURCE_DATE_EPOCH: no file is younger
}

// A packer makes an archive of one layer.
type packer struct {
	o     PackOptions
	out   *tar.Writer
	links map[uint64]string // inode → where it is in the archive
	names []byte
}

// Pack is Apply's reverse: it makes an archive of a directory that overlayfs takes
// as a layer. Files come sorted by name, with what Apply would give them, and
// nothing else; so the same files make the same bytes. Sockets are left out.
func Pack(w io.Writer, dir string, o PackOptions) error {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open the layer", Path: dir, Err: err}
	}
	p := &packer{o: o, out: tar.NewWriter(w), links: map[uint64]string{}}
	root := os.NewFile(uintptr(fd), dir)
	err = p.directory(root, "")
	if err = errors.Join(err, root.Close()); err != nil {
		return fmt.Errorf("pack the layer: %w", err)
	}
	return p.out.Close()
}

// directory packs what is in one.
func (p *packer) directory(dir *os.File, at string) error {
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return err
	}
	slices.Sort(names)
	for _, name := range names {
		if err := p.entry(dir, name, path.Join(at, name)); err != nil {
			return fmt.Errorf("%s: %w", path.Join("/", at, name), err)
		}
	}
	return nil
}

func (p *packer) entry(dir *os.File, name, at string) error {
	var st unix.Stat_t
	if err := unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	if image.IsWhiteout(&st) {
		return p.mark(path.Join(path.Dir(at), whiteoutPrefix+name), &st)
	}
	if strings.HasPrefix(name, whiteoutPrefix) {
		return fmt.Errorf("a name that begins with %s is the mark of a deleted file in a layer: no file can have it", whiteoutPrefix)
	}
	h := &tar.Header{Name: at, Mode: int64(st.Mode & 0o7777), Uid: int(st.Uid), Gid: int(st.Gid), ModTime: p.time(&st), Format: tar.FormatPAX}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFSOCK:
		return nil
	case unix.S_IFDIR:
		h.Typeflag, h.Name = tar.TypeDir, at+"/"
	case unix.S_IFLNK:
		target, err := os.Readlink(below(int(dir.Fd()), name))
		if err != nil {
			return err
		}
		h.Typeflag, h.Linkname = tar.TypeSymlink, target
	case unix.S_IFCHR, unix.S_IFBLK:
		h.Typeflag = tar.TypeChar
		if st.Mode&unix.S_IFMT == unix.S_IFBLK {
			h.Typeflag = tar.TypeBlock
		}
		h.Devmajor, h.Devminor = int64(unix.Major(st.Rdev)), int64(unix.Minor(st.Rdev))
	case unix.S_IFIFO:
		h.Typeflag = tar.TypeFifo
	default:
		h.Typeflag, h.Size = tar.TypeReg, st.Size
	}
	if st.Nlink > 1 && h.Typeflag != tar.TypeDir {
		if first, ok := p.links[st.Ino]; ok {
			h.Typeflag, h.Linkname, h.Size = tar.TypeLink, first, 0
			return p.out.WriteHeader(h)
		}
		p.links[st.Ino] = at
	}
	opaque, err := p.attributes(h, below(int(dir.Fd()), name))
	if err != nil {
		return err
	}
	if err := p.out.WriteHeader(h); err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeReg:
		return p.content(dir, name, st.Size)
	case tar.TypeDir:
		return p.below(dir, name, at, opaque)
	}
	return nil
}

// mark writes a whiteout.
func (p *packer) mark(name string, st *unix.Stat_t) error {
	return p.out.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0, Uid: int(st.Uid), Gid: int(st.Gid), ModTime: p.time(st), Format: tar.FormatPAX})
}

// time is that of a file's modification, in whole seconds, as layers have it.
func (p *packer) time(st *unix.Stat_t) time.Time {
	t := time.Unix(st.Mtim.Sec, 0)
	if p.o.Latest != nil && t.After(*p.o.Latest) {
		t = *p.o.Latest
	}
	return t
}

func (p *packer) below(dir *os.File, name, at string, opaque bool) error {
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	sub := os.NewFile(uintptr(fd), at)
	if opaque {
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			return errors.Join(err, sub.Close())
		}
		if err := p.mark(path.Join(at, opaqueName), &st); err != nil {
			return errors.Join(err, sub.Close())
		}
	}
	return errors.Join(p.directory(sub, at), sub.Close())
}

func (p *packer) content(dir *os.File, name string, size int64) error {
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), name)
	_, err = io.CopyN(p.out, f, size)
	return errors.Join(err, f.Close())
}

// attributes reads the extended attributes: overlay's own are not the layer's, but
// one says that the directory is opaque.
func (p *packer) attributes(h *tar.Header, file string) (opaque bool, err error) {
	if p.names == nil {
		p.names = make([]byte, 64<<10)
	}
	n, err := unix.Llistxattr(file, p.names)
	if errors.Is(err, unix.ENOTSUP) || n == 0 && err == nil {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("list its extended attributes: %w", err)
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(p.names[:n]), "\x00"), "\x00") {
		overlay := strings.HasPrefix(name, "trusted.overlay.") || strings.HasPrefix(name, "user.overlay.")
		if isHostXattr(name) || overlay && !strings.HasSuffix(name, ".opaque") && !strings.HasSuffix(name, ".redirect") && !strings.HasSuffix(name, ".metacopy") {
			continue
		}
		value := make([]byte, 64<<10)
		size, err := unix.Lgetxattr(file, name, value)
		if err != nil {
			return false, fmt.Errorf("read its extended attribute %s: %w", name, err)
		}
		switch {
		case !overlay:
			if h.PAXRecords == nil {
				h.PAXRecords = map[string]string{}
			}
			h.PAXRecords[xattrRecord+name] = string(value[:size])
		case strings.HasSuffix(name, ".opaque"):
			opaque = size == 1 && value[0] == 'y'
		default:
			return false, fmt.Errorf("%s: overlay has moved this file by reference only: mount with redirect_dir=off,metacopy=off", name)
		}
	}
	return opaque, nil
}
