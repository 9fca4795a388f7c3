package hostfacts

import (
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/cgroups/group"
	"github.com/minirun/minirun/internal/cgroups/host"
	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/rootfs"
	"github.com/minirun/minirun/internal/spec"
)

// CgroupMounts lists the content of a mount of type cgroup, if there is one.
func CgroupMounts(s *specs.Spec, machine *host.Host, cgroup *group.Group) ([]rootfs.Cgroup, error) {
	for i := range s.Mounts {
		t := s.Mounts[i].Type
		if t != "cgroup" && (t != "cgroup2" || !machine.IsV2Only()) || rootfs.IsBind(&s.Mounts[i]) {
			continue
		}
		own := namespaces.Decide(s).Has(unix.CLONE_NEWCGROUP)
		var out []rootfs.Cgroup
		list := cgroup.BindMounts
		if own {
			list = group.NewMounts
		}
		for _, m := range list(machine) {
			dir := m.Source
			if dir == "" { // for a mount without another target
				dir = cgroup.Paths()[""]
			}
			out = append(out, rootfs.Cgroup{Controller: m.Data, Name: m.Name, Dir: dir, Aliases: m.Aliases})
		}
		if len(out) == 0 {
			return nil, &spec.Error{Path: fmt.Sprintf("mounts[%d]", i), Want: "needs cgroups mounted on the host"}
		}
		return out, nil
	}
	return nil, nil
}
