package layer

import (
	"archive/tar"
	"fmt"
	"math"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// kind is what an entry makes.
type kind int

const (
	regular kind = iota
	directory
	symlink
	hardlink
	special // a device or a FIFO
	whiteout
	opaque
	ignored // bookkeeping of aufs, a global header
)

// An entry is what a header asks for, checked.
type entry struct {
	kind      kind
	path      string // clean, relative; "." is the root
	dir, base string // of path
	link      string // symbolic: the text; hard: a clean relative path
	size      int64
	mode      uint32 // with the type's bits, as mknod(2) takes it
	device    uint64
	uid, gid  int
	modified  time.Time
	accessed  time.Time
	xattrs    map[string]string
}

const (
	whiteoutPrefix = ".wh."
	opaqueName     = ".wh..wh..opq"
	aufsPrefix     = ".wh..wh." // other than opaqueName: aufs's own, never part of an image
	xattrRecord    = "SCHILY.xattr."
)

// rules are where the kinds of archives differ. The rest is the same for all.
type rules struct {
	// marks is set for layers: names that begin with ".wh." are marks, the entry of the
	// root describes it, and what would deceive overlay is refused. In other archives
	// such names are files, and the root stays as it is.
	marks bool

	plain bool       // there are only files, directories and links, without owners and attributes
	owner *Owner     // of all files that the archive lists; nil: as in the archive
	time  *time.Time // of directories that the archive does not list; nil: now

	// keepXattr reports whether an extended attribute is set.
	keepXattr func(name string) bool
}

var layerRules = rules{marks: true, keepXattr: func(name string) bool { return !isHostXattr(name) }}

// entryOf reads a header. It refuses what no honest archive of a file system has, rather
// than give it a meaning.
func entryOf(h *tar.Header, r *rules) (entry, error) {
	if h.Typeflag == tar.TypeXGlobalHeader { // git archive writes the commit there; its name is not a file's
		return entry{kind: ignored}, nil
	}
	e := entry{size: h.Size, uid: h.Uid, gid: h.Gid, modified: h.ModTime, accessed: h.AccessTime}
	var err error
	if e.path, err = inside("name", h.Name); err != nil {
		return e, err
	}
	if e.path == "." && !r.marks {
		e.kind = ignored
		return e, nil
	}
	e.dir, e.base = path.Split(e.path)
	e.dir = path.Clean(e.dir)
	if err := e.setOwner(r); err != nil {
		return e, err
	}
	if err := e.typeOf(h, r); err != nil {
		return e, err
	}
	if r.marks && strings.HasPrefix(e.base, whiteoutPrefix) {
		return e, e.mark(h)
	}
	if e.path == "." && e.kind != directory {
		return e, fmt.Errorf("%w: the root of the layer must be a directory", ErrRefused)
	}
	return e, e.attributes(h, r)
}

// inside converts a name of the archive to a path below the root that is unpacked into.
// Some tools write absolute names, and "/" for the root.
func inside(what, name string) (string, error) {
	if strings.IndexByte(name, 0) >= 0 {
		return "", fmt.Errorf("%w: %s: has a zero byte", ErrRefused, what)
	}
	if len(name) >= unix.PathMax {
		return "", fmt.Errorf("%w: %s: %d bytes: %w", ErrRefused, what, len(name), unix.ENAMETOOLONG)
	}
	clean := path.Clean(strings.TrimLeft(name, "/"))
	if clean == ".." || strings.HasPrefix(clean, "../") {
		return "", fmt.Errorf("%w: %s: .. leads out of the directory that is unpacked into", ErrRefused, what)
	}
	for part := range strings.SplitSeq(clean, "/") {
		if len(part) > unix.NAME_MAX {
			return "", fmt.Errorf("%w: %s: a component of %d bytes: %w", ErrRefused, what, len(part), unix.ENAMETOOLONG)
		}
	}
	return clean, nil
}

// setOwner applies the rules to the owner. It refuses numbers that the kernel would take
// for something else: an owner of 4294967295 is "no change" to chown(2), and longer numbers
// lose their upper bits.
func (e *entry) setOwner(r *rules) error {
	switch {
	case r.plain:
		e.uid, e.gid = -1, -1 // no change
	case r.owner != nil:
		e.uid, e.gid = r.owner.UID, r.owner.GID
	case e.uid < 0 || e.gid < 0 || int64(e.uid) >= math.MaxUint32 || int64(e.gid) >= math.MaxUint32:
		return fmt.Errorf("%w: owner %d:%d: out of range", ErrRefused, e.uid, e.gid)
	}
	return nil
}

func (e *entry) typeOf(h *tar.Header, r *rules) (err error) {
	const permissions = 0o7777
	mode := uint32(h.Mode) & permissions
	switch h.Typeflag {
	case tar.TypeReg, '\x00', tar.TypeCont, tar.TypeGNUSparse:
		e.kind, e.mode = regular, unix.S_IFREG|mode
		if e.size < 0 {
			return fmt.Errorf("%w: size %d", ErrRefused, e.size)
		}
	case tar.TypeDir:
		e.kind, e.mode = directory, unix.S_IFDIR|mode
	case tar.TypeSymlink:
		e.kind, e.mode, e.link = symlink, unix.S_IFLNK|0o777, h.Linkname
		if e.link == "" || len(e.link) >= unix.PathMax || strings.IndexByte(e.link, 0) >= 0 {
			return fmt.Errorf("%w: a symbolic link to %q", ErrRefused, e.link)
		}
	case tar.TypeLink:
		e.kind = hardlink
		if e.link, err = inside("hard link's target", h.Linkname); err != nil {
			return err
		}
		if e.link == "." || r.marks && strings.HasPrefix(path.Base(e.link), whiteoutPrefix) {
			return fmt.Errorf("%w: a hard link to %q", ErrRefused, h.Linkname)
		}
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		if r.plain {
			return fmt.Errorf("%w: type %q: a context has files, directories and links only", ErrRefused, h.Typeflag)
		}
		return e.deviceOf(h, mode)
	default:
		return fmt.Errorf("%w: type %q is not one of a file", ErrRefused, h.Typeflag)
	}
	return nil
}

func (e *entry) deviceOf(h *tar.Header, mode uint32) error {
	if h.Typeflag == tar.TypeFifo {
		e.kind, e.mode = special, unix.S_IFIFO|mode
		return nil
	}
	if h.Devmajor < 0 || h.Devmajor > 0xfff || h.Devminor < 0 || h.Devminor > 0xfffff {
		return fmt.Errorf("%w: device %d:%d: out of range", ErrRefused, h.Devmajor, h.Devminor)
	}
	e.kind, e.mode = special, unix.S_IFBLK|mode
	if h.Typeflag == tar.TypeChar {
		e.mode = unix.S_IFCHR | mode
		if h.Devmajor == 0 && h.Devminor == 0 {
			return fmt.Errorf("%w: the device 0:0 is overlay's mark of a deleted file", ErrRefused)
		}
	}
	e.device = unix.Mkdev(uint32(h.Devmajor), uint32(h.Devminor))
	return nil
}

// mark reads the whiteouts: entries whose names begin with ".wh.".
func (e *entry) mark(h *tar.Header) error {
	switch {
	case e.base == opaqueName:
		e.kind = opaque
	case strings.HasPrefix(e.base, aufsPrefix):
		e.kind = ignored
	default:
		hidden := strings.TrimPrefix(e.base, whiteoutPrefix)
		if hidden == "" || hidden == "." || hidden == ".." {
			return fmt.Errorf("%w: a whiteout of %q", ErrRefused, hidden)
		}
		e.kind, e.base = whiteout, hidden
		e.path = path.Join(e.dir, hidden)
	}
	if h.Typeflag == tar.TypeDir && e.kind != ignored {
		return fmt.Errorf("%w: a whiteout is a file", ErrRefused)
	}
	return nil
}

// hostXattrs are the host's to set: labels of its own policy, and checksums that
// are void once a file is copied.
var hostXattrs = []string{"security.selinux", "security.ima", "security.evm", "security.SMACK64"}

// attributes reads the extended attributes.
func (e *entry) attributes(h *tar.Header, r *rules) error {
	for record, value := range h.PAXRecords {
		name, ok := strings.CutPrefix(record, xattrRecord)
		if !ok {
			continue
		}
		// These would make overlay look elsewhere for a file, or hide one.
		if isOverlayXattr(name) {
			if r.marks {
				return fmt.Errorf("%w: extended attribute %s: is for overlay alone to set", ErrRefused, name)
			}
			continue
		}
		if r.keepXattr == nil || !r.keepXattr(name) {
			continue
		}
		if e.xattrs == nil {
			e.xattrs = map[string]string{}
		}
		e.xattrs[name] = value
	}
	return nil
}

func isOverlayXattr(name string) bool {
	return strings.HasPrefix(name, "trusted.overlay.") || strings.HasPrefix(name, "user.overlay.")
}

func isHostXattr(name string) bool {
	for _, p := range hostXattrs {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}
