package filecopy

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/build/contenthash"
	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/regularfile"
)

// open opens a path in the destination; links are followed, but not out of it.
func (c *copier) open(name string, flags int) (int, error) {
	how := unix.OpenHow{Flags: uint64(flags), Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS}
	fd, err := regularfile.Openat2(int(c.root.Fd()), name, &how)
	if err != nil {
		return -1, &os.PathError{Op: "open in the image", Path: name, Err: err}
	}
	return fd, nil
}

// IsDirectory reports whether a path in the image is a directory, following links.
func IsDirectory(root *os.File, name string) bool { return (&copier{root: root}).isDirectory(name) }

func (c *copier) isDirectory(name string) bool {
	fd, err := c.open(unrooted(name), unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return false
	}
	_ = unix.Close(fd)
	return true
}

const maxLinks = 40

// ensureDirectory opens a directory, and creates it and its parents if they do not exist. It follows a
// dangling link, and creates the link's target.
func (c *copier) ensureDirectory(name string) (int, error) {
	todo := strings.Split(unrooted(name), "/")
	fd, err := c.open(".", unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return -1, err
	}
	at := "."
	for links := 0; len(todo) > 0; {
		part := todo[0]
		todo = todo[1:]
		if part == "" || part == "." {
			continue
		}
		at = at + "/" + part // not cleaned: the kernel must resolve .. after a link
		next, err := c.open(at, unix.O_PATH|unix.O_DIRECTORY)
		if errors.Is(err, unix.ENOENT) {
			target := make([]byte, unix.PathMax)
			n, lerr := unix.Readlinkat(fd, part, target)
			if lerr == nil {
				if links++; links > maxLinks {
					return -1, errors.Join(&os.PathError{Op: "follow in the image", Path: name, Err: unix.ELOOP}, unix.Close(fd))
				}
				at = path.Dir(at)
				if target[0] == '/' {
					at = "."
				}
				todo = append(strings.Split(string(target[:n]), "/"), todo...)
				_ = unix.Close(fd)
				if fd, err = c.open(at, unix.O_PATH|unix.O_DIRECTORY); err != nil {
					return -1, err
				}
				continue
			}
			if err = c.makeDirectory(fd, part, at); err == nil {
				next, err = c.open(at, unix.O_PATH|unix.O_DIRECTORY)
			}
		}
		_ = unix.Close(fd)
		if errors.Is(err, unix.ENOTDIR) {
			return -1, fmt.Errorf("%s is not a directory in the image (%w)", strings.TrimPrefix(at, "."), unix.ENOTDIR)
		}
		if err != nil {
			return -1, err
		}
		fd = next
	}
	return fd, nil
}

// makeDirectory creates a directory without a source: it belongs to root, or has the owner and mode of
// --chown and --chmod.
func (c *copier) makeDirectory(parent int, name, at string) error {
	if err := unix.Mkdirat(parent, name, 0o755); err != nil {
		return &os.PathError{Op: "mkdir in the image", Path: at, Err: err}
	}
	if c.o.UID != nil {
		if err := unix.Fchownat(parent, name, *c.o.UID, *c.o.GID, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return fmt.Errorf("%s: %w", strings.TrimPrefix(at, "."), namespaces.OwnerError(*c.o.UID, *c.o.GID, err))
		}
	}
	mode := uint32(0o755)
	if n, err := strconv.ParseUint(c.o.Chmod, 8, 32); err == nil { // u=rw modifies the mode of a source
		mode = uint32(n) & 0o777
	}
	if err := unix.Fchmodat(parent, name, mode, 0); err != nil { // mkdirat(2) applies the umask
		return &os.PathError{Op: "chmod in the image", Path: at, Err: err}
	}
	if c.o.Time != nil {
		c.created = append(c.created, createdDir{at, unix.NsecToTimespec(c.o.Time.UnixNano())})
	}
	return nil
}

// openDirectory opens a directory like ensureDirectory. The descriptor belongs to the copier and is valid until
// the next call.
func (c *copier) openDirectory(name string) (int, error) {
	if c.dirFD != nil && c.dir == name && !c.replaced {
		return int(c.dirFD.Fd()), nil
	}
	fd, err := c.ensureDirectory(name)
	if err != nil {
		return -1, err
	}
	c.closeDirectory()
	c.replaced = false
	c.dir, c.dirFD = name, os.NewFile(uintptr(fd), name)
	return fd, nil
}

// closeDirectory closes that descriptor.
func (c *copier) closeDirectory() {
	if c.dirFD != nil {
		_ = c.dirFD.Close()
		c.dirFD = nil
	}
}

// openParent opens the directory in which a file is placed, like openDirectory, and returns the name
// of the file there. The file replaces a symbolic link of that name.
func (c *copier) openParent(name string) (fd int, base string, err error) {
	dir, base := splitPath(cleanRelative(name))
	fd, err = c.openDirectory(dir)
	return fd, base, err
}

// openTarget is like openParent for the destination itself: if it is a symbolic link, the file is
// written to the target of the link.
func (c *copier) openTarget(name string) (fd int, base string, err error) {
	at := cleanRelative(name)
	for range maxLinks {
		dir, base := splitPath(at)
		if fd, err = c.openDirectory(dir); err != nil {
			return -1, "", err
		}
		target := make([]byte, unix.PathMax)
		n, err := unix.Readlinkat(fd, base, target)
		if err != nil { // not a link, or does not exist
			return fd, base, nil
		}
		at = strings.TrimRight(string(target[:n]), "/")
		if !strings.HasPrefix(at, "/") {
			at = dir + "/" + at // not cleaned: the kernel must resolve .. after a link
		}
		if at = unrooted(at); at == "." || strings.HasSuffix(at, "..") {
			return -1, "", &os.PathError{Op: "write in the image", Path: name, Err: unix.EISDIR}
		}
	}
	return -1, "", &os.PathError{Op: "follow in the image", Path: name, Err: unix.ELOOP}
}

// splitPath splits a relative path, which is not cleaned, into the directory and the name.
func splitPath(at string) (dir, base string) {
	if slash := strings.LastIndexByte(at, '/'); slash >= 0 {
		return at[:slash], at[slash+1:]
	}
	return ".", at
}

// copyDirectory copies a directory: an existing one is not changed.
func (c *copier) copyDirectory(t *contenthash.Tree, f *contenthash.File, at string, m metadata) error {
	if f.Name == "." { // only the content of the source is copied, and its time
		fd, err := c.ensureDirectory(at)
		if err != nil {
			return err
		}
		if f.Path != "." || t.Dated {
			c.created = append(c.created, createdDir{cleanRelative(at), m.modified})
		}
		return unix.Close(fd)
	}
	if c.isDirectory(at) {
		if f.OnPath { // --chown and --chmod do not apply to it, and it keeps its owner
			m.uid, m.gid, m.mode = -1, -1, f.Stat.Mode&0o7777
		}
		return c.setDirectoryMetadata(t, f, at, m)
	}
	parent, base, err := c.openParent(at)
	if err != nil {
		return err
	}
	if err := unix.Mkdirat(parent, base, 0o755); err != nil {
		if errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("%s is a file in the image, but a directory in the source", at)
		}
		return &os.PathError{Op: "mkdir in the image", Path: at, Err: err}
	}
	return c.setDirectoryMetadata(t, f, at, m)
}

func (c *copier) setDirectoryMetadata(t *contenthash.Tree, f *contenthash.File, at string, m metadata) (err error) {
	if m.attributes, err = t.Attributes(f); err != nil {
		return err
	}
	fd, err := c.open(cleanRelative(at), unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	if !f.OnPath {
		c.created = append(c.created, createdDir{cleanRelative(at), m.modified})
	}
	return errors.Join(m.apply(fd), unix.Close(fd))
}
