package resources

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/cgroups/host"
)

const mountRoot = "/sys/fs/cgroup"

// hosts returns the three kinds of host, modelled on real ones, and a host without
// controllers.
func hosts() map[string]*host.Host {
	v1 := func(names ...string) (l []host.Hierarchy) {
		for _, n := range names {
			mount := mountRoot + "/" + strings.TrimPrefix(n, "name=")
			l = append(l, host.Hierarchy{Controllers: strings.Split(n, ","), Mount: mount, Root: "/", Current: "/own"})
		}
		return l
	}
	all := v1("name=systemd", "cpu,cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "hugetlb", "net_cls", "net_prio", "rdma")
	return map[string]*host.Host{
		"v1":     {Mode: host.V1, V1: all},
		"hybrid": {Mode: host.Hybrid, V1: all[:8], V2: &host.Hierarchy{Controllers: []string{"hugetlb"}, Mount: mountRoot + "/unified", Root: "/", Current: "/own"}},
		"v2":     {Mode: host.V2, V2: &host.Hierarchy{Controllers: strings.Fields("cpuset cpu io memory hugetlb pids rdma misc"), Mount: mountRoot, Root: "/", Current: "/own/me"}},
		"bare":   {Mode: host.V1, V1: v1("name=systemd")},
	}
}

// formatValues formats values, one per line, for golden files.
func formatValues(values []Value) string {
	var b strings.Builder
	for _, v := range values {
		for or, p := "", &v; p != nil; or, p = "  or ", p.Or {
			fmt.Fprintf(&b, "%s%s = %q", or, p.File, p.Value)
			if or == "" {
				fmt.Fprintf(&b, " [%s %s]", map[bool]string{true: "v2"}[p.V2]+p.Controller, p.Source)
			}
			fmt.Fprintf(&b, " verify=%d", p.Verify)
			if p.Late {
				b.WriteString(" late")
			}
			if p.Optional {
				b.WriteString(" optional")
			}
			if p.SwapNext {
				b.WriteString(" swapnext")
			}
			if p.Ceiling != "" {
				b.WriteString(" ceiling=" + p.Ceiling)
			}
			if p.Program != nil {
				fmt.Fprintf(&b, " program=%d", len(p.Program))
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// parseResources parses linux.resources.
func parseResources(t *testing.T, text string) *specs.LinuxResources {
	t.Helper()
	r := &specs.LinuxResources{}
	if err := json.Unmarshal([]byte(text), r); err != nil {
		t.Fatal(err)
	}
	return r
}
