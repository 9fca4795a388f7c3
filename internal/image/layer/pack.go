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
	"github.com/minirun/minirun/internal/regularfile"
)

// PackOptions configure how a layer is packed.
type PackOptions struct {
	Latest *time.Time // SOURCE_DATE_EPOCH: no file is newer
	Time   *time.Time // all files have this time
	Owner  *Owner     // all files have this owner
}

// An Owner is a user and a group.
type Owner struct{ UID, GID int }

// A Tree is a directory that becomes part of an archive.
type Tree struct {
	Dir  string   // "" if there is only More
	At   string   // its path in the archive; "" is the archive's root
	More []Member // additional files that are not in Dir
}

// A Member is a file that only exists in an archive.
type Member struct {
	Name    string
	Content []byte
}

// A packer writes the archive of one layer.
type packer struct {
	o     PackOptions
	out   *tar.Writer
	links map[[2]uint64]string // device and inode → path in the archive
	names []byte
}

// Pack is the inverse of Apply: it writes an archive of a directory that overlayfs can use as a
// layer. Files are sorted by name and have only the attributes that Apply restores, so that the
// same files give the same bytes. Sockets are left out.
func Pack(w io.Writer, dir string, o PackOptions) error {
	return PackAll(w, []Tree{{Dir: dir}}, o)
}

// PackAll writes one archive of several directories.
func PackAll(w io.Writer, trees []Tree, o PackOptions) error {
	p := &packer{o: o, out: tar.NewWriter(w)}
	for _, t := range trees {
		if err := p.tree(t); err != nil {
			return fmt.Errorf("pack the layer: %w", err)
		}
	}
	return p.out.Close()
}

func (p *packer) tree(t Tree) error {
	p.links = map[[2]uint64]string{}
	if t.Dir == "" {
		if t.At != "" {
			now := unix.NsecToTimespec(time.Now().UnixNano())
			if err := p.header(&tar.Header{Typeflag: tar.TypeDir, Name: t.At + "/", Mode: 0o755},
				&unix.Stat_t{Mtim: now}); err != nil {
				return err
			}
		}
		return p.packMembers(t)
	}
	fd, err := unix.Open(t.Dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: t.Dir, Err: err}
	}
	root := os.NewFile(uintptr(fd), t.Dir)
	if t.At != "" {
		var st unix.Stat_t
		if err = unix.Fstat(fd, &st); err == nil {
			err = p.header(&tar.Header{Typeflag: tar.TypeDir, Name: t.At + "/", Mode: int64(st.Mode & 0o7777)}, &st)
		}
	}
	if err == nil {
		err = p.directory(root, t.At)
	}
	if err = errors.Join(err, root.Close()); err != nil {
		return err
	}
	return p.packMembers(t)
}

func (p *packer) packMembers(t Tree) error {
	for _, m := range t.More {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: path.Join(t.At, m.Name), Mode: 0o644, Size: int64(len(m.Content))}
		err := p.header(h, &unix.Stat_t{Mtim: unix.NsecToTimespec(time.Now().UnixNano())})
		if err == nil {
			_, err = p.out.Write(m.Content)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", h.Name, err)
		}
	}
	return nil
}

// header writes a header, with the owner and the time that the options set.
func (p *packer) header(h *tar.Header, st *unix.Stat_t) error {
	h.Format, h.ModTime = tar.FormatPAX, p.time(st)
	h.Uid, h.Gid = int(st.Uid), int(st.Gid)
	if o := p.o.Owner; o != nil {
		h.Uid, h.Gid = o.UID, o.GID
	}
	return p.out.WriteHeader(h)
}

// directory packs the content of a directory.
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
		return fmt.Errorf("names that begin with %s are reserved for whiteouts", whiteoutPrefix)
	}
	h := newHeader(at, &st)
	switch h.Typeflag {
	case typeSocket:
		return nil
	case tar.TypeSymlink:
		target, err := os.Readlink(procPath(int(dir.Fd()), name))
		if err != nil {
			return err
		}
		h.Linkname = target
	}
	if p.linkToFirst(h, &st) {
		return p.header(h, &st)
	}
	opaque, err := p.attributes(h, procPath(int(dir.Fd()), name))
	if err != nil {
		return err
	}
	if err := p.header(h, &st); err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeReg:
		return p.content(dir, name, st.Size)
	case tar.TypeDir:
		return p.packDirectory(dir, name, at, opaque)
	}
	return nil
}

// typeSocket is the type of a file that archives do not have.
const typeSocket = 's'

// newHeader returns the header for a file, without the target of a symbolic link.
func newHeader(at string, st *unix.Stat_t) *tar.Header {
	h := &tar.Header{Name: at, Mode: int64(st.Mode & 0o7777)}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFSOCK:
		h.Typeflag = typeSocket
	case unix.S_IFDIR:
		h.Typeflag, h.Name = tar.TypeDir, at+"/"
	case unix.S_IFLNK:
		h.Typeflag = tar.TypeSymlink
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
	return h
}

// linkToFirst turns the header into a hard link if the archive already has the file under another
// name.
func (p *packer) linkToFirst(h *tar.Header, st *unix.Stat_t) bool {
	if st.Nlink <= 1 || h.Typeflag == tar.TypeDir {
		return false
	}
	key := [2]uint64{st.Dev, st.Ino}
	first, ok := p.links[key]
	if ok {
		h.Typeflag, h.Linkname, h.Size = tar.TypeLink, first, 0
	} else {
		p.links[key] = h.Name
	}
	return ok
}

// mark writes a whiteout.
func (p *packer) mark(name string, st *unix.Stat_t) error {
	return p.header(&tar.Header{Typeflag: tar.TypeReg, Name: name}, st)
}

// time returns a file's modification time in whole seconds, as layers store it.
func (p *packer) time(st *unix.Stat_t) time.Time {
	t := time.Unix(st.Mtim.Sec, 0)
	if p.o.Time != nil {
		return *p.o.Time
	}
	if p.o.Latest != nil && t.After(*p.o.Latest) {
		t = *p.o.Latest
	}
	return t
}

func (p *packer) packDirectory(dir *os.File, name, at string, opaque bool) error {
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
	f, err := regularfile.OpenAt(int(dir.Fd()), name)
	if err != nil {
		return err
	}
	_, err = io.CopyN(p.out, f, size)
	return errors.Join(err, f.Close())
}

// attributes reads the extended attributes. Overlay's own are not part of the layer, but one of
// them marks the directory as opaque.
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
		if isHostXattr(name) || overlay && !strings.HasSuffix(name, ".opaque") &&
			!strings.HasSuffix(name, ".redirect") && !strings.HasSuffix(name, ".metacopy") {
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
			return false, fmt.Errorf("%s: the content of this file is in another layer\nhint: mount the overlay with "+
				"redirect_dir=off,metacopy=off", name)
		}
	}
	return opaque, nil
}
