package image

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/regularfile"
)

// maxUsers limits how much of an image's /etc/passwd and /etc/group is read, since the author of
// the image controls their size.
const maxUsers = 1 << 20

// LookUp finds the user USER[:GROUP] in the image's own /etc/passwd and /etc/group. "" is root,
// with root's groups in these files, as in Docker.
func LookUp(s Stack, who string) (specs.User, error) {
	return lookUp(who, func(name string) ([]byte, error) { return s.ReadFile(name, maxUsers) })
}

// LookUpIn finds a user in the root directory of a running container. Its processes may replace the
// files at any time, so each one is opened once, without leaving the root, and only if it is a
// regular file.
func LookUpIn(root *os.File, who string) (specs.User, error) {
	return lookUp(who, func(name string) ([]byte, error) { return readIn(root, name) })
}

func readIn(root *os.File, name string) ([]byte, error) {
	f, err := regularfile.OpenIn(int(root.Fd()), name, unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_MAGICLINKS)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("in the container: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > maxUsers {
		return nil, fmt.Errorf("%s in the container is too large: %d bytes (the limit is %d)", name, info.Size(),
			maxUsers)
	}
	return io.ReadAll(io.LimitReader(f, maxUsers))
}

func lookUp(who string, read func(name string) ([]byte, error)) (specs.User, error) {
	passwd, err := read("/etc/passwd")
	if err != nil {
		return specs.User{}, fmt.Errorf("user %q: %w", who, err)
	}
	group, err := read("/etc/group")
	if err != nil {
		return specs.User{}, fmt.Errorf("user %q: %w", who, err)
	}
	out, err := execUser(who, passwd, group)
	if err != nil {
		return specs.User{}, fmt.Errorf("user %q: %w (in the image's /etc/passwd and /etc/group)", who, err)
	}
	return out, nil
}
