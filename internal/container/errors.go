package container

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/bootstrap"
)

// stepError tells which step failed, with its call and what asked for it, and
// what to try.
func (c *Container) stepError(failed *bootstrap.ErrFailed) error {
	if failed.Step >= len(c.plan.Steps) {
		return failed
	}
	s := &c.plan.Steps[failed.Step]
	where := "minirun"
	if s.Source != "" {
		where = "config.json: " + s.Source
	}
	return fmt.Errorf("%s: %s: %s: %w%s", where, s.Name, c.plan.CallText(s), failed.Errno, c.hint(failed.Step, failed.Errno))
}

// lacking is the hint for an error that a missing capability explains.
func lacking(err error, capability, to string) string {
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return fmt.Sprintf(": minirun needs %s %s", capability, to)
	}
	return ""
}

func rootless() bool { return os.Geteuid() != 0 }
