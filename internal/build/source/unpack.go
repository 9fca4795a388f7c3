package source

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// What a context may have at most.
const (
	maxEntries = 4 << 20
	maxBytes   = 256 << 30
)

type bounds struct{ entries, bytes int64 }

// errRefused is the cause of every refusal of an entry for what it asks.
var errRefused = errors.New("refused")

// unpacker makes what an archive's entries ask for, but for owners and extended
// attributes, which no context has (see tree.Tree). The root resolves every name
// from its descriptor, and follows no link out (os.Root).
type unpacker struct {
	root  *os.Root
	made  map[string]time.Time // directories, whose times are set when all is in them
	modes map[string]fs.FileMode
}

func unpack(ctx context.Context, root *os.Root, archive *tar.Reader, left bounds) error {
	u := &unpacker{root: root, made: map[string]time.Time{}, modes: map[string]fs.FileMode{}}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return u.finish()
		}
		if err != nil {
			return fmt.Errorf("read the archive: %w", err)
		}
		left.entries--
		left.bytes -= max(h.Size, 0)
		if left.entries < 0 || left.bytes < 0 {
			return fmt.Errorf("entry %q: %w: the archive has more than %d entries, or files of more than %d bytes", h.Name, errRefused, int64(maxEntries), int64(maxBytes))
		}
		if err := u.entry(h, archive); err != nil {
			return fmt.Errorf("entry %q: %w", h.Name, err)
		}
	}
}

// local is an entry's name as a path of the context: a / in front means the context.
func local(name string) (string, error) {
	name = path.Clean(strings.TrimLeft(name, "/"))
	if !fs.ValidPath(name) || strings.IndexByte(name, 0) >= 0 {
		return "", fmt.Errorf("%w: it leads out of the context", errRefused)
	}
	return name, nil
}

func (u *unpacker) entry(h *tar.Header, content io.Reader) error {
	name, err := local(h.Name)
	if err != nil {
		return err
	}
	mode := fs.FileMode(h.Mode & 0o777)
	for bit, m := range map[int64]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if h.Mode&bit != 0 {
			mode |= m
		}
	}
	if h.Typeflag == tar.TypeXGlobalHeader { // git archive writes the commit there
		return nil
	}
	if name == "." {
		if h.Typeflag != tar.TypeDir {
			return fmt.Errorf("%w: the context must be a directory", errRefused)
		}
		u.made[name], u.modes[name] = h.ModTime, mode|0o700
		return nil
	}
	if err := u.root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	if h.Typeflag == tar.TypeDir {
		return u.directory(name, h, mode)
	}
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeLink, tar.TypeSymlink, '\x00', tar.TypeCont, tar.TypeGNUSparse:
	default:
		return fmt.Errorf("%w: type %q: a context has files, directories and links only", errRefused, h.Typeflag)
	}
	if err := u.clear(name); err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeSymlink:
		return u.symlink(name, h)
	case tar.TypeLink:
		to, err := local(h.Linkname)
		if err != nil {
			return fmt.Errorf("hard link to %q: %w", h.Linkname, err)
		}
		return u.root.Link(to, name)
	}
	return u.file(name, h, mode, content)
}

// clear makes room: the last of two entries of a name counts.
func (u *unpacker) clear(name string) error {
	st, err := u.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !st.IsDir() {
		return u.root.Remove(name)
	}
	maps.DeleteFunc(u.made, func(dir string, _ time.Time) bool { return dir == name || strings.HasPrefix(dir, name+"/") })
	return u.root.RemoveAll(name)
}

func (u *unpacker) directory(name string, h *tar.Header, mode fs.FileMode) error {
	st, err := u.root.Lstat(name)
	if err != nil || !st.IsDir() {
		if err := u.clear(name); err != nil {
			return err
		}
		if err := u.root.Mkdir(name, 0o700); err != nil {
			return err
		}
	}
	u.made[name], u.modes[name] = h.ModTime, mode
	return nil
}

func (u *unpacker) symlink(name string, h *tar.Header) error {
	if err := u.root.Symlink(h.Linkname, name); err != nil {
		return err
	}
	dir, err := u.root.Open(path.Dir(name))
	if err != nil {
		return err
	}
	defer dir.Close()
	when := unix.NsecToTimespec(h.ModTime.UnixNano())
	return unix.UtimesNanoAt(int(dir.Fd()), path.Base(name), []unix.Timespec{when, when}, unix.AT_SYMLINK_NOFOLLOW)
}

func (u *unpacker) file(name string, h *tar.Header, mode fs.FileMode, content io.Reader) error {
	f, err := u.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := io.Copy(f, content); err != nil {
		return err
	}
	if err := f.Chmod(mode); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return u.root.Chtimes(name, h.ModTime, h.ModTime)
}

// finish gives directories their modes and times, the deepest first.
func (u *unpacker) finish() error {
	for _, name := range slices.Backward(slices.Sorted(maps.Keys(u.made))) {
		if err := u.root.Chmod(name, u.modes[name]); err != nil {
			return err
		}
		if err := u.root.Chtimes(name, u.made[name], u.made[name]); err != nil {
			return err
		}
	}
	return nil
}
