package group

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/cgroups/cgroupfs"
	"github.com/minirun/minirun/internal/cgroups/host"
)

// A v2 cgroup has the files of a controller only if cgroup.subtree_control of every
// cgroup above it lists the controller (cgroups(7), "Cgroups v2 controllers").
const subtreeControl = "/cgroup.subtree_control"

// enableAllControllers enables, for the directory, every controller that the tree has,
// so that limits and statistics are available. An error is ignored: if a limit needs the
// controller, [Group.EnableController] reports the reason.
func (d *directory) enableAllControllers() {
	all, err := host.V2Controllers(d.mount)
	if err != nil {
		return
	}
	for _, path := range d.ancestors() {
		enabled, err := cgroupfs.ReadText(path + subtreeControl)
		if err != nil {
			return
		}
		missing := all[:0:0]
		for _, c := range all {
			if !slices.Contains(strings.Fields(enabled), c) {
				missing = append(missing, c)
			}
		}
		if len(missing) == 0 {
			continue
		}
		err = cgroupfs.WriteText(path+subtreeControl, "+"+strings.Join(missing, " +"))
		if errors.Is(err, unix.EBUSY) {
			// It has its own processes. One by one, cpu and pids would be accepted,
			// and turn it into a threaded domain, whose children no process can enter
			// (cgroups(7), "Thread mode").
			return
		}
		// Otherwise one controller may be refused (cpu, while realtime processes run)
		// without affecting the others.
		if err != nil {
			for _, c := range missing {
				_ = cgroupfs.WriteText(path+subtreeControl, "+"+c)
			}
		}
	}
}

// EnableController enables a controller of the v2 tree for the group, in every cgroup
// above it.
func (g *Group) EnableController(controller string) error {
	d := g.v2()
	if d == nil {
		return fmt.Errorf("enable controller %s: the container has no cgroup in the v2 tree", controller)
	}
	for _, path := range d.ancestors() {
		enabled, err := cgroupfs.ReadText(path + subtreeControl)
		if err != nil {
			return err
		}
		if slices.Contains(strings.Fields(enabled), controller) {
			continue
		}
		err = cgroupfs.WriteText(path+subtreeControl, "+"+controller)
		switch {
		case errors.Is(err, unix.EBUSY), errors.Is(err, unix.EOPNOTSUPP):
			count := "processes"
			if pids, e := processes(path); e == nil {
				count = strconv.Itoa(len(pids)) + " process(es)"
			}
			return fmt.Errorf("enable controller %s below %s: %w: that cgroup has its own %s, and then cannot have children "+
				"with limits (cgroups(7), \"no internal processes\")\n"+
				"hint: move them, or give an absolute linux.cgroupsPath elsewhere", controller, path, err, count)
		case errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("enable controller %s below %s: %w: it is not in %s/cgroup.controllers",
				controller, path, err, path)
		case err != nil:
			return fmt.Errorf("enable controller %s: %w", controller, err)
		}
	}
	return nil
}

// ancestors returns the cgroups from the mount point down to the directory's parent;
// none if the mount point is not known.
func (d *directory) ancestors() []string {
	if d.mount == "" {
		return nil
	}
	list := []string{d.mount}
	rel := strings.Trim(strings.TrimPrefix(d.path, d.mount), "/")
	for i := range len(rel) {
		if rel[i] == '/' {
			list = append(list, d.mount+"/"+rel[:i])
		}
	}
	return list
}
