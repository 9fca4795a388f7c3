package openfiles

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/bootstrap"
	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/plan"
)

// IDMap creates a user namespace that only carries a mapping, for
// mount_setattr(MOUNT_ATTR_IDMAP), and returns a descriptor of it. Creating a
// namespace needs a process; it waits until the descriptor is open.
func IDMap(maps [2][]string) (*os.File, error) {
	b := plan.NewBuilder(0)
	gone := b.Label()
	b.Await("wait until the namespace is open", "", b.Room(8), 8, gone)
	b.Place(gone)
	b.Add(plan.Op{Name: "end"}, plan.ExitGroup, plan.Int(0))
	proc, err := bootstrap.Start(b.Plan(), bootstrap.Attr{Cloneflags: unix.CLONE_NEWUSER})
	if err != nil {
		return nil, err
	}
	defer func() {
		proc.Close()
		_, _ = proc.Wait() // it exits when the socket is closed
	}()
	for i, file := range [2]string{"uid_map", "gid_map"} {
		if err := namespaces.WriteLines(proc.Pid, file, maps[i]); err != nil {
			return nil, err
		}
	}
	return os.Open("/proc/" + strconv.Itoa(proc.Pid) + "/ns/user")
}
