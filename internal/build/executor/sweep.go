package executor

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/minirun/minirun/internal/flock"
	"golang.org/x/sys/unix"
)

// Sweep removes what killed builds left over: containers, whose processes the kernel killed
// together with their builder, and directories in the store's tmp.
func (e *Executor) Sweep() error {
	containers, err := listNames(e.root())
	if err != nil {
		return err
	}
	temporary, err := listNames(filepath.Join(e.Store.Dir, "tmp"))
	if err != nil {
		return err
	}
	var errs []error
	for _, id := range containers {
		errs = append(errs, e.sweep(id))
	}
	for _, name := range temporary {
		switch {
		case strings.HasPrefix(name, e.idPrefix()):
			errs = append(errs, e.sweep(name))
		case isOrphan(name):
			errs = append(errs, os.RemoveAll(filepath.Join(e.Store.Dir, "tmp", name)))
		}
	}
	return errors.Join(errs...)
}

func listNames(dir string) (out []string, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out, err
}

// sweep removes a step's container and directory, unless its builder holds the lock.
func (e *Executor) sweep(id string) error {
	dir := filepath.Join(e.Store.Dir, "tmp", id)
	lock, err := flock.Open(dir, unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil
	}
	if err == nil {
		defer lock.Close()
	} else if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := e.remove(id); err != nil {
		return err
	}
	return os.RemoveAll(dir)
}

// isOrphan reports whether a name in tmp belongs to a process that no longer exists:
// WHAT.PID.NUMBER, see store.Store.
func isOrphan(name string) bool {
	parts := strings.Split(name, ".")
	if len(parts) < 3 {
		return false
	}
	pid, err := strconv.Atoi(parts[len(parts)-2])
	return err == nil && pid > 0 && errors.Is(unix.Kill(pid, 0), unix.ESRCH)
}
