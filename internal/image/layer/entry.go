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

// kind is the type of file that an entry creates.
type kind int

const (
	regular kind = iota
	directory
	symlink
	hardlink
	special // a device or a FIFO
	whiteout
	opaque
	ignored // aufs bookkeeping, a global header
)

// An entry is a header that has been checked.
type entry struct {
	kind      kind
	path      string // clean, relative; "." is the root
	dir, base string // of path
	link      string // symbolic link: the target text; hard link: a clean relative path
	size      int64
	mode      uint32 // with the type's bits, as mknod(2) takes it
	device    uint64
	uid, gid  int
	modified  time.Time
	accessed  time.Time
	xattrs    map[string]string
	inUse     bool // see rules
}

const (
	whiteoutPrefix = ".wh."
	opaqueName     = ".wh..wh..opq"
	aufsPrefix     = ".wh..wh." // unlike opaqueName: internal to aufs, never part of an image
	xattrRecord    = "SCHILY.xattr."
)

// rules are the differences between the kinds of archives. Everything else is the same.
type rules struct {
	// marks is set for layers: names that begin with ".wh." are whiteouts, the entry for the root
	// describes the root, and entries that would deceive overlay are refused. In other archives
	// these names are ordinary files, and the root does not change.
	marks bool

	// inUse is set for directories that other processes use. Mounts below belong to them, and a file
	// never replaces a directory, nor the other way round.
	inUse bool

	plain bool       // only files, directories and links are allowed, and owners and attributes are ignored
	owner *Owner     // of all files that the archive lists; nil: as in the archive
	time  *time.Time // of directories that the archive does not list; nil: now

	// keepXattr reports whether an extended attribute in the archive is applied.
	keepXattr func(name string) bool
}

var layerRules = rules{marks: true, keepXattr: func(name string) bool { return !isHostXattr(name) }}

// parseEntry converts a header. It refuses headers that no well-formed archive of a file system has,
// instead of guessing their meaning.
func parseEntry(h *tar.Header, r *rules) (entry, error) {
	if h.Typeflag == tar.TypeXGlobalHeader { // git archive stores the commit in it, not a file
		return entry{kind: ignored}, nil
	}
	e := entry{size: h.Size, uid: h.Uid, gid: h.Gid, modified: h.ModTime, accessed: h.AccessTime, inUse: r.inUse}
	var err error
	if e.path, err = cleanPath("name", h.Name); err != nil {
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
	if err := e.setType(h, r); err != nil {
		return e, err
	}
	if r.marks && strings.HasPrefix(e.base, whiteoutPrefix) {
		return e, e.setMark(h)
	}
	if e.path == "." && e.kind != directory {
		return e, fmt.Errorf("%w: the root of the layer must be a directory", ErrRefused)
	}
	return e, e.attributes(h, r)
}

// cleanPath converts a name in the archive to a path below the target directory. Some tools write
// absolute names, and "/" for the root.
func cleanPath(what, name string) (string, error) {
	if strings.IndexByte(name, 0) >= 0 {
		return "", fmt.Errorf("%w: the %s contains a zero byte", ErrRefused, what)
	}
	if len(name) >= unix.PathMax {
		return "", fmt.Errorf("%w: the %s has %d bytes: %w", ErrRefused, what, len(name), unix.ENAMETOOLONG)
	}
	clean := path.Clean(strings.TrimLeft(name, "/"))
	if clean == ".." || strings.HasPrefix(clean, "../") {
		return "", fmt.Errorf("%w: the %s leads out of the target directory", ErrRefused, what)
	}
	for part := range strings.SplitSeq(clean, "/") {
		if len(part) > unix.NAME_MAX {
			return "", fmt.Errorf("%w: the %s has a component of %d bytes: %w", ErrRefused, what, len(part),
				unix.ENAMETOOLONG)
		}
	}
	return clean, nil
}

// setOwner applies the rules to the owner. It refuses IDs that the kernel would interpret
// differently: 4294967295 means "no change" to chown(2), and longer numbers lose their upper bits.
func (e *entry) setOwner(r *rules) error {
	switch {
	case r.plain:
		e.uid, e.gid = -1, -1 // no change
	case r.owner != nil:
		e.uid, e.gid = r.owner.UID, r.owner.GID
	case e.uid < 0 || e.gid < 0 || int64(e.uid) >= math.MaxUint32 || int64(e.gid) >= math.MaxUint32:
		return fmt.Errorf("%w: owner %d:%d is out of range", ErrRefused, e.uid, e.gid)
	}
	return nil
}

func (e *entry) setType(h *tar.Header, r *rules) (err error) {
	const permissions = 0o7777
	mode := uint32(h.Mode) & permissions
	switch h.Typeflag {
	case tar.TypeReg, '\x00', tar.TypeCont, tar.TypeGNUSparse:
		e.kind, e.mode = regular, unix.S_IFREG|mode
		if e.size < 0 {
			return fmt.Errorf("%w: negative size %d", ErrRefused, e.size)
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
		if e.link, err = cleanPath("hard link's target", h.Linkname); err != nil {
			return err
		}
		if e.link == "." || r.marks && strings.HasPrefix(path.Base(e.link), whiteoutPrefix) {
			return fmt.Errorf("%w: a hard link to %q", ErrRefused, h.Linkname)
		}
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		if r.plain {
			return fmt.Errorf("%w: type %q: a build context may contain only files, directories and links", ErrRefused,
				h.Typeflag)
		}
		return e.setDevice(h, mode)
	default:
		return fmt.Errorf("%w: unknown type %q", ErrRefused, h.Typeflag)
	}
	return nil
}

func (e *entry) setDevice(h *tar.Header, mode uint32) error {
	if h.Typeflag == tar.TypeFifo {
		e.kind, e.mode = special, unix.S_IFIFO|mode
		return nil
	}
	if h.Devmajor < 0 || h.Devmajor > 0xfff || h.Devminor < 0 || h.Devminor > 0xfffff {
		return fmt.Errorf("%w: device %d:%d is out of range", ErrRefused, h.Devmajor, h.Devminor)
	}
	e.kind, e.mode = special, unix.S_IFBLK|mode
	if h.Typeflag == tar.TypeChar {
		e.mode = unix.S_IFCHR | mode
		if h.Devmajor == 0 && h.Devminor == 0 {
			return fmt.Errorf("%w: device 0:0 is reserved for overlayfs whiteouts", ErrRefused)
		}
	}
	e.device = unix.Mkdev(uint32(h.Devmajor), uint32(h.Devminor))
	return nil
}

// setMark handles whiteouts: entries whose names begin with ".wh.".
func (e *entry) setMark(h *tar.Header) error {
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
		return fmt.Errorf("%w: a whiteout must not be a directory", ErrRefused)
	}
	return nil
}

// hostXattrs are set by the host only: labels of its security policy, and checksums that
// are no longer valid once a file is copied.
var hostXattrs = []string{"security.selinux", "security.ima", "security.evm", "security.SMACK64"}

// attributes reads the extended attributes.
func (e *entry) attributes(h *tar.Header, r *rules) error {
	for record, value := range h.PAXRecords {
		name, ok := strings.CutPrefix(record, xattrRecord)
		if !ok {
			continue
		}
		// These would redirect overlay to another file, or hide one.
		if isOverlayXattr(name) {
			if r.marks {
				return fmt.Errorf("%w: extended attribute %s is reserved for overlayfs", ErrRefused, name)
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
