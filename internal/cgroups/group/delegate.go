package group

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/minirun/minirun/internal/cgroups/cgroupfs"
)

// Delegate gives the v2 cgroup to a user of the host (config-linux.md "Cgroup
// ownership"): the directory and the files of /sys/kernel/cgroup/delegate (Linux 4.15)
// in it, so that the container may create cgroups inside but not raise its own limits. On
// v1 that would not be safe, and nothing is done.
func (g *Group) Delegate(uid int) error {
	d := g.v2()
	if d == nil || !g.v2Only {
		return nil
	}
	files := "cgroup.procs\ncgroup.subtree_control\ncgroup.threads"
	if list, err := cgroupfs.ReadText("/sys/kernel/cgroup/delegate"); err == nil {
		files = list
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Chown(d.path, uid, -1); err != nil {
		return fmt.Errorf("give the cgroup to user %d: %w", uid, err)
	}
	for file := range strings.SplitSeq(files, "\n") {
		// The kernel's list is for any cgroup; this one need not have all the files.
		if err := os.Chown(filepath.Join(d.path, file), uid, -1); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("give the cgroup to user %d: %w", uid, err)
		}
	}
	return nil
}
