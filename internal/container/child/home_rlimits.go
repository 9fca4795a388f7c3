package child

import (
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/moby/sys/user"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/container/diagnose"
	"github.com/minirun/minirun/internal/regularfile"
	"github.com/minirun/minirun/internal/spec"
)

// maxPasswd limits how much of an image's /etc/passwd is read, in bytes.
const maxPasswd = 1 << 20

// FindHome returns the home directory of process.user in the container's /etc/passwd, "/"
// if there is none, as in runc.
func (c *Process) FindHome() (string, error) {
	root, err := unix.Open("/proc/"+strconv.Itoa(c.Proc.Pid)+"/root", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", fmt.Errorf("open the container's root: %w", err)
	}
	defer unix.Close(root)
	home, err := c.FindHomeIn(root, unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_MAGICLINKS)
	if err != nil {
		return "/", nil // not readable: so the home directory is unknown
	}
	return home, nil
}

// FindHomeIn looks up the user in etc/passwd below an open root directory. A file that is
// missing or is not regular gives "/"; an error is for a path that cannot be resolved
// as resolve demands.
func (c *Process) FindHomeIn(root int, resolve uint64) (string, error) {
	f, err := regularfile.OpenIn(root, "etc/passwd", resolve)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EISDIR) || errors.Is(err, regularfile.ErrNotRegular) {
		return "/", nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	uid := int(c.Spec.Process.User.UID)
	users, err := user.ParsePasswdFilter(io.LimitReader(f, maxPasswd), func(u user.User) bool { return u.Uid == uid })
	if err != nil || len(users) == 0 || users[0].Home == "" || len(users[0].Home) > 4000 {
		return "/", nil
	}
	return users[0].Home, nil
}

// SetRlimits sets resource limits from outside: in its user namespace the process may not
// raise a hard limit.
func (c *Process) SetRlimits() error {
	for i, l := range c.Spec.Process.Rlimits {
		resource, _ := spec.Rlimit(l.Type)
		if err := unix.Prlimit(c.Proc.Pid, resource, &unix.Rlimit{Cur: l.Soft, Max: l.Hard}, nil); err != nil {
			return fmt.Errorf("config.json: process.rlimits[%d]: limit %s to %d and %d: %w%s", i, l.Type, l.Soft,
				l.Hard, err,
				diagnose.MissingCapability(err, "CAP_SYS_RESOURCE", "to raise a hard limit"))
		}
	}
	return nil
}
