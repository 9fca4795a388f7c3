package group

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/cgroups/cgroupfs"
)

// Kill signals every process of the group and of cgroups below it. For SIGKILL the
// kernel's own cgroup.kill (Linux 5.14) is used if it exists; otherwise the group is
// frozen meanwhile, so that no process can fork away. Finally it is thawed, and so are
// cgroups below it that the container froze: a frozen process does not die. Kill does
// not wait until the processes are gone. This process itself is not signaled.
func (g *Group) Kill(sig syscall.Signal) (err error) {
	if d := g.v2(); d != nil && sig == unix.SIGKILL {
		// Members of the v1 hierarchies may differ: their processes are signaled one by
		// one.
		if cgroupfs.WriteText(d.path+"/cgroup.kill", "1") == nil && g.v2Only {
			return nil
		}
	}
	pids, err := g.TreeProcesses()
	if err != nil {
		return err
	}
	// If this process is in the group, freezing would stop it too, and with it the
	// thawing.
	if self := slices.Contains(pids, os.Getpid()); sig == unix.SIGKILL && len(pids) > 0 && !self {
		if d := g.lookup("freezer"); d != nil {
			// Not waited for: a process that is missed is found by the next call.
			if cgroupfs.WriteText(d.path+"/freezer.state", "FROZEN") == nil {
				// A frozen process does not die: a failure to thaw is a failure to
				// kill.
				defer func() { err = errors.Join(err, g.ThawTree()) }()
				if pids, err = g.TreeProcesses(); err != nil {
					return err
				}
			}
		}
	}
	for _, pid := range pids {
		if pid == os.Getpid() {
			continue
		}
		if err := unix.Kill(pid, sig); err != nil && err != unix.ESRCH {
			return fmt.Errorf("send signal %d to process %d: %w", sig, pid, err)
		}
	}
	return nil
}
