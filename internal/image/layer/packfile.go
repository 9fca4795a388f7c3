package layer

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/regularfile"
)

// FileOptions configure how PackFile packs files.
type FileOptions struct {
	Name  string                         // in the archive; "": only the content of a directory
	Owner func(st *unix.Stat_t) Owner    // in the archive
	Skip  func(dir *os.File) (skip bool) // directories that stay empty; nil: none

	// Untrusted is for files of a container that will belong to the user: set-ID bits and attributes
	// such as capabilities would give the container's program the user's rights, and a device node
	// the container's access to the host's device.
	Untrusted bool
	LeftOut   func(name string) // called for each device that is left out
}

// A filePacker packs files that other processes may be changing. Each name is looked up once, from
// the open directory, and what was opened is packed: a name that was a directory may be a link to a
// directory of the host the next moment.
type filePacker struct {
	packer
	o FileOptions
}

// PackFile writes an archive of a file, or of a directory with everything in it. The file is open
// with O_PATH. Unlike [Pack] it keeps names that layers reserve, and the exact times. Sockets are
// left out, and files that are removed meanwhile.
func PackFile(w io.Writer, fd int, o FileOptions) error {
	p := &filePacker{packer{out: tar.NewWriter(w), links: map[[2]uint64]string{}}, o}
	var err error
	if o.Name == "" {
		err = p.content(fd, "")
	} else {
		err = p.open(fd, o.Name)
	}
	if err != nil {
		return err
	}
	return p.out.Close()
}

// open packs an open file.
func (p *filePacker) open(fd int, at string) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	h := newHeader(at, &st)
	switch h.Typeflag {
	case typeSocket:
		return nil
	case tar.TypeChar, tar.TypeBlock:
		if p.o.Untrusted {
			p.o.LeftOut(at)
			return nil
		}
	case tar.TypeSymlink:
		target := make([]byte, unix.PathMax)
		n, err := unix.Readlinkat(fd, "", target)
		if err != nil {
			return &os.PathError{Op: "read the link", Path: at, Err: err}
		}
		h.Linkname = string(target[:n])
	}
	h.Format, h.ModTime = tar.FormatPAX, time.Unix(st.Mtim.Unix())
	owner := p.o.Owner(&st)
	h.Uid, h.Gid = owner.UID, owner.GID
	if p.o.Untrusted {
		h.Mode &^= unix.S_ISUID | unix.S_ISGID
	}
	if p.linkToFirst(h, &st) {
		return p.out.WriteHeader(h)
	}
	if err := p.addAttributes(h, fd); err != nil {
		return fmt.Errorf("%s: %w", at, err)
	}
	switch h.Typeflag {
	case tar.TypeReg:
		return p.regular(h, fd)
	case tar.TypeDir:
		if err := p.out.WriteHeader(h); err != nil {
			return err
		}
		return p.content(fd, at)
	}
	return p.out.WriteHeader(h)
}

// regular packs a regular file. If it becomes shorter meanwhile, the rest is zero.
func (p *filePacker) regular(h *tar.Header, fd int) error {
	f, err := regularfile.Reopen(fd, h.Name)
	if err != nil {
		return err
	}
	if err := p.out.WriteHeader(h); err != nil {
		return errors.Join(err, f.Close())
	}
	n, err := io.CopyN(p.out, f, h.Size)
	if errors.Is(err, io.EOF) {
		_, err = io.CopyN(p.out, zeroReader{}, h.Size-n)
	}
	return errors.Join(err, f.Close())
}

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// content packs the files in a directory.
func (p *filePacker) content(fd int, at string) error {
	opened, err := unix.Open("/proc/self/fd/"+strconv.Itoa(fd), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: at, Err: err}
	}
	dir := os.NewFile(uintptr(opened), at)
	defer func() { _ = dir.Close() }()
	if p.o.Skip != nil && p.o.Skip(dir) {
		return nil
	}
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return err
	}
	slices.Sort(names)
	for _, name := range names {
		file, err := unix.Openat(opened, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if errors.Is(err, unix.ENOENT) {
			continue
		}
		if err != nil {
			return &os.PathError{Op: "open", Path: path.Join(at, name), Err: err}
		}
		if err := errors.Join(p.open(file, path.Join(at, name)), unix.Close(file)); err != nil {
			return err
		}
	}
	return nil
}

// addAttributes adds the extended attributes of an open file.
func (p *filePacker) addAttributes(h *tar.Header, fd int) error {
	file := "/proc/self/fd/" + strconv.Itoa(fd)
	list := make([]byte, 64<<10)
	n, err := unix.Listxattr(file, list)
	if errors.Is(err, unix.ENOTSUP) || n == 0 && err == nil {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list its extended attributes: %w", err)
	}
	value := make([]byte, 64<<10)
	for name := range strings.SplitSeq(strings.TrimSuffix(string(list[:n]), "\x00"), "\x00") {
		if isHostXattr(name) || isOverlayXattr(name) || p.o.Untrusted && !strings.HasPrefix(name, "user.") {
			continue
		}
		size, err := unix.Getxattr(file, name, value)
		if errors.Is(err, unix.ENODATA) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read its extended attribute %s: %w", name, err)
		}
		if h.PAXRecords == nil {
			h.PAXRecords = map[string]string{}
		}
		h.PAXRecords[xattrRecord+name] = string(value[:size])
	}
	return nil
}
