package hostfacts

import (
	"fmt"

	"github.com/minirun/minirun/internal/cgroups"
	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/rootfs"
	"github.com/minirun/minirun/internal/spec"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// CgroupMounts lists the content of a mount of type cgroup, if there is one.
func CgroupMounts(s *specs.Spec, host *cgroups.Host, group *cgroups.Group) ([]rootfs.Cgroup, error) {
	for i := range s.Mounts {
		t := s.Mounts[i].Type
		if t != "cgroup" && (t != "cgroup2" || host.Mode != cgroups.V2) || rootfs.IsBind(&s.Mounts[i]) {
			continue
		}
		own := namespaces.Decide(s).Has(unix.CLONE_NEWCGROUP)
		var out []rootfs.Cgroup
		for _, m := range group.Mounts(host, own) {
			dir := m.Source
			if dir == "" { // for a mount without another target
				dir = group.Paths()[""]
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
