package doctor

import (
	"slices"
	"strings"

	"github.com/minirun/minirun/internal/cgroups/host"
)

func checkCgroups() Finding {
	found, err := host.Detect()
	if err != nil {
		return Finding{
			Name: "cgroups", Verdict: Fail, Found: err.Error(),
			Fix: "mount them: mount -t cgroup2 cgroup2 /sys/fs/cgroup",
		}
	}
	var controllers []string
	for _, h := range found.V1 {
		controllers = append(controllers, h.Controllers...)
	}
	if found.V2 != nil {
		controllers = append(controllers, found.V2.Controllers...)
	}
	return judgeCgroups(found.Mode.String(), found.IsV2Only(), controllers)
}

// limitControllers are the controllers of the limits that containers often have, each
// with its names on cgroup v2 and v1.
var limitControllers = [...][]string{{"memory"}, {"cpu"}, {"pids"}, {"cpuset"}, {"io", "blkio"}}

// judgeCgroups decides which limits a container can have with these controllers.
func judgeCgroups(mode string, isV2 bool, controllers []string) Finding {
	controllers = slices.Clone(controllers)
	slices.Sort(controllers)
	controllers = slices.Compact(controllers)
	f := Finding{Name: "cgroups", Verdict: OK, Found: mode + ": " + strings.Join(controllers, " ")}
	var missing, fixes []string
	for _, names := range limitControllers {
		if !slices.ContainsFunc(names, func(n string) bool { return slices.Contains(controllers, n) }) {
			missing = append(missing, names[0])
		}
	}
	if len(missing) > 0 {
		f.Verdict, f.Found = Warn, f.Found+"; not "+strings.Join(missing, " ")
		fixes = append(fixes, "a container with such a limit is refused. "+
			"On v2 the parent cgroup must enable a controller: "+
			"write +NAME to its cgroup.subtree_control. The kernel's command line may turn memory off: "+
			"boot with cgroup_enable=memory")
	}
	if !isV2 {
		fixes = append(fixes, "for version 2, boot with systemd.unified_cgroup_hierarchy=1")
	}
	f.Fix = strings.Join(fixes, "; ")
	return f
}
