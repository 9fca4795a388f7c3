package filecopy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/build/contenthash"
	"github.com/minirun/minirun/internal/namespaces"
)

// metadata holds a file's attributes, without its content.
type metadata struct {
	uid, gid   int
	mode       uint32 // permission bits, including the set-ID bits
	modified   unix.Timespec
	attributes []contenthash.Attribute
}

// apply sets everything except the time. The owner is first, because chown(2) clears
// capabilities and set-ID bits.
func (m *metadata) apply(fd int) error {
	if err := unix.Fchown(fd, m.uid, m.gid); err != nil {
		return namespaces.OwnerError(m.uid, m.gid, err)
	}
	for _, a := range m.attributes {
		if err := unix.Fsetxattr(fd, a.Name, []byte(a.Value), 0); err != nil {
			return fmt.Errorf("cannot set the extended attribute %s: %w", a.Name, err)
		}
	}
	if err := unix.Fchmod(fd, m.mode); err != nil {
		return fmt.Errorf("cannot change the mode to %#o: %w", m.mode, err)
	}
	return nil
}

// create creates a file under a name that may exist already. A directory is not replaced by a
// file.
func (c *copier) create(parent int, base string, how func() error) error {
	err := how()
	if !errors.Is(err, unix.EEXIST) {
		return err
	}
	if err := unix.Unlinkat(parent, base, 0); err != nil {
		if errors.Is(err, unix.EISDIR) {
			return fmt.Errorf("%s is a directory in the image, but a file in the source", base)
		}
		return err
	}
	c.replaced = true
	return how()
}

// copyPart is how much of a file is copied between checks of the context.
const copyPart = 64 << 20

// writeFile writes a regular file.
func (c *copier) writeFile(ctx context.Context, parent int, base string, content io.Reader, m metadata) error {
	fd := -1
	err := c.create(parent, base, func() (err error) {
		fd, err = unix.Openat(parent, base, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
		return err
	})
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), base)
	for n := int64(copyPart); n == copyPart && err == nil; {
		if err = ctx.Err(); err == nil {
			n, err = io.CopyN(f, content, copyPart) // uses copy_file_range(2) if the kernel supports it
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if err == nil {
		err = m.apply(fd)
	}
	if err == nil {
		err = unix.UtimesNanoAt(fd, "", []unix.Timespec{m.modified, m.modified}, unix.AT_EMPTY_PATH)
	}
	return errors.Join(err, f.Close())
}

func (c *copier) writeSymlink(parent int, base, target string, m metadata) error {
	if err := c.create(parent, base, func() error { return unix.Symlinkat(target, parent, base) }); err != nil {
		return err
	}
	if err := unix.Fchownat(parent, base, m.uid, m.gid, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return namespaces.OwnerError(m.uid, m.gid, err)
	}
	return unix.UtimesNanoAt(parent, base, []unix.Timespec{m.modified, m.modified}, unix.AT_SYMLINK_NOFOLLOW)
}

// writeNode creates a FIFO, or a device that another stage contains.
func (c *copier) writeNode(parent int, base string, st *unix.Stat_t, m metadata) error {
	mknod := func() error { return unix.Mknodat(parent, base, st.Mode, int(st.Rdev)) }
	if err := c.create(parent, base, mknod); err != nil {
		return err
	}
	if err := unix.Fchownat(parent, base, m.uid, m.gid, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return namespaces.OwnerError(m.uid, m.gid, err)
	}
	if err := unix.Fchmodat(parent, base, m.mode, 0); err != nil { // not a link: it was just created
		return err
	}
	return unix.UtimesNanoAt(parent, base, []unix.Timespec{m.modified, m.modified}, unix.AT_SYMLINK_NOFOLLOW)
}

// writeLink creates another name for a file that was placed.
func (c *copier) writeLink(first string, parent int, base string) error {
	here, err := unix.Dup(parent) // the next lookup uses another directory
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(here) }()
	from, name, err := c.openParent(first)
	if err != nil {
		return err
	}
	return c.create(here, base, func() error { return unix.Linkat(from, name, here, base, 0) })
}
