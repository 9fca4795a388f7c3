package attest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/regularfile"
)

// maxDatabase limits a database: with every Debian package, it has 60 MiB.
const maxDatabase = 128 << 20

// ReadInstalled returns the packages in a root file system, which is untrusted: its links cannot
// lead out of it.
func ReadInstalled(root *os.File) (Distribution, []Package, error) {
	var d Distribution
	release, err := readFile(root, "etc/os-release")
	if err == nil && release == nil {
		release, err = readFile(root, "usr/lib/os-release")
	}
	if err != nil {
		return d, nil, err
	}
	d = ParseOSRelease(release)
	var all []Package
	for _, from := range []struct {
		name  string
		parse func([]byte) []Package
	}{{"var/lib/dpkg/status", ParseDpkg}, {"lib/apk/db/installed", ParseAPK},
		{"usr/lib/apk/db/installed", ParseAPK}} {
		text, err := readFile(root, from.name)
		if err != nil {
			return d, nil, err
		}
		all = append(all, from.parse(text)...)
	}
	more, err := readStatusDir(root)
	return d, sortPackages(append(all, more...)), err
}

// readStatusDir reads the files of status.d, one for each package of a distroless image.
func readStatusDir(root *os.File) (all []Package, err error) {
	const name = "var/lib/dpkg/status.d"
	dir, err := openDir(root, name)
	if dir == nil || err != nil {
		return nil, err
	}
	names, err := dir.Readdirnames(-1)
	if err = errors.Join(err, dir.Close()); err != nil {
		return nil, err
	}
	slices.Sort(names)
	for _, n := range names {
		if strings.HasSuffix(n, ".md5sums") {
			continue
		}
		text, err := readFile(root, path.Join(name, n))
		if err != nil {
			return nil, err
		}
		all = append(all, ParseDpkg(text)...)
	}
	return all, nil
}

const resolveInRoot = unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS

// openDir opens a directory if it exists.
func openDir(root *os.File, name string) (*os.File, error) {
	fd, err := regularfile.Openat2(int(root.Fd()), name, &unix.OpenHow{Flags: unix.O_RDONLY | unix.O_DIRECTORY,
		Resolve: resolveInRoot})
	if isMissing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, &os.PathError{Op: "open in the image", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}

func isMissing(err error) bool { return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) }

// readFile reads a regular file if it exists.
func readFile(root *os.File, name string) ([]byte, error) {
	f, err := regularfile.OpenIn(int(root.Fd()), name, resolveInRoot)
	if isMissing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("in the image: %w", err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > maxDatabase {
		return nil, fmt.Errorf("%s in the image has %d bytes; the limit is %d", name, info.Size(), maxDatabase)
	}
	return io.ReadAll(io.LimitReader(f, maxDatabase))
}
