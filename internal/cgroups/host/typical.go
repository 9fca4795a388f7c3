package host

import "strings"

// Typical returns a host as systemd sets it up, with all controllers, for plans of
// containers on imagined hosts. mode is V1 or V2: hybrid hosts are no longer
// typical.
func Typical(mode Mode) *Host {
	if mode == V2 {
		all := []string{"cpuset", "cpu", "io", "memory", "hugetlb", "pids", "rdma", "misc"}
		return &Host{Mode: V2, V2: &Hierarchy{Controllers: all, Mount: mountRoot, Root: "/", Current: "/"}}
	}
	h := &Host{Mode: V1}
	for _, names := range []string{
		"name=systemd", "cpu,cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "hugetlb",
		"net_cls,net_prio", "perf_event",
	} {
		mount := mountRoot + "/" + strings.TrimPrefix(names, "name=")
		h.V1 = append(h.V1, Hierarchy{Controllers: strings.Split(names, ","), Mount: mount, Root: "/", Current: "/"})
	}
	return h
}
