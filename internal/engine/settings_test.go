package engine

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/spec"
)

func TestLimits(t *testing.T) {
	var r specs.LinuxResources
	s := Settings{Memory: "64m", Swap: "-1", CPUs: "1.5", Pids: 9}
	if err := s.limits(&r); err != nil {
		t.Fatal(err)
	}
	if *r.Memory.Limit != 64<<20 || *r.Memory.Swap != -1 || *r.CPU.Quota != 150000 || *r.CPU.Period != 100000 ||
		*r.Pids.Limit != 9 {
		t.Errorf("memory %+v, cpu %+v, pids %+v", r.Memory, r.CPU, r.Pids)
	}
	r = specs.LinuxResources{}
	if err := (&Settings{}).limits(&r); err != nil || r.Memory != nil || r.CPU != nil || r.Pids != nil {
		t.Errorf("without flags: %+v, %v", r, err)
	}
	for _, s := range []Settings{
		{Memory: "much"}, {Memory: "0"}, {Memory: "-2"}, {Swap: "1g"}, {Memory: "1g", Swap: "x"},
		{CPUs: "0"}, {CPUs: "-1"}, {CPUs: "NaN"}, {CPUs: "many"}, {CPUs: "1e300"},
	} {
		if err := s.limits(&r); err == nil {
			t.Errorf("%+v is accepted", s)
		} else if !strings.HasPrefix(err.Error(), "--") {
			t.Errorf("%+v: %v does not begin with the flag", s, err)
		}
	}
}

// TestApplySettings: flags change what they are about, and nothing else.
func TestApplySettings(t *testing.T) {
	known := func() []string { return spec.CapabilityNames() }
	apply := func(s *Settings, network string, unified bool) *specs.Spec {
		t.Helper()
		c := spec.Default(false)
		c.Process.NoNewPrivileges = false
		if err := s.apply(c, known, network, unified); err != nil {
			t.Fatal(err)
		}
		return c
	}
	has := func(c *specs.Spec, kind specs.LinuxNamespaceType) bool {
		return slices.ContainsFunc(c.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == kind })
	}
	c := apply(&Settings{Name: "web", CapAdd: []string{"net_admin"}, CapDrop: []string{"CAP_KILL"}}, "none", true)
	if c.Hostname != "web" || c.Root.Readonly || !has(c, specs.NetworkNamespace) || !has(c, specs.CgroupNamespace) {
		t.Errorf("hostname %q, read-only %t, namespaces %v", c.Hostname, c.Root.Readonly, c.Linux.Namespaces)
	}
	if caps := c.Process.Capabilities.Bounding; !slices.Contains(caps, "CAP_NET_ADMIN") ||
		slices.Contains(caps, "CAP_KILL") {
		t.Errorf("the bounding set is %q", caps)
	}
	if c.Linux.Seccomp == nil || c.Process.NoNewPrivileges {
		t.Errorf("seccomp %t, no_new_privs %t", c.Linux.Seccomp != nil, c.Process.NoNewPrivileges)
	}
	c = apply(&Settings{
		Name: "web", Hostname: "h", ReadOnly: true, Security: []string{"no-new-privileges", "seccomp=unconfined"},
	}, "host", false)
	if c.Hostname != "h" || !c.Root.Readonly || has(c, specs.NetworkNamespace) || c.Linux.Sysctl != nil {
		t.Errorf("hostname %q, read-only %t, namespaces %v, sysctl %v", c.Hostname, c.Root.Readonly,
			c.Linux.Namespaces, c.Linux.Sysctl)
	}
	if c.Linux.Seccomp != nil || !c.Process.NoNewPrivileges {
		t.Errorf("seccomp %t, no_new_privs %t", c.Linux.Seccomp != nil, c.Process.NoNewPrivileges)
	}
}

func TestSecurityOptions(t *testing.T) {
	profile := filepath.Join(t.TempDir(), "profile.json")
	if err := os.WriteFile(profile, []byte(`{"defaultAction": "SCMP_ACT_ALLOW"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	c := spec.Default(false)
	if err := (&Settings{Security: []string{"seccomp=" + profile}}).security(c); err != nil ||
		c.Linux.Seccomp.DefaultAction != specs.ActAllow {
		t.Errorf("the given profile is not used: %+v, %v", c.Linux.Seccomp, err)
	}
	for _, option := range []string{"seccomp", "seccomp=", "seccomp=/no/such", "no-new-privileges=maybe", "label=x",
		""} {
		if err := (&Settings{Security: []string{option}}).security(c); err == nil {
			t.Errorf("--security-opt %q is accepted", option)
		}
	}
}

func TestVolumes(t *testing.T) {
	for _, c := range []struct {
		text    string
		want    volume
		isPath  bool
		options string
	}{
		{"/data", volume{target: "/data"}, false, "rbind rprivate"},
		{"/a:/b", volume{source: "/a", target: "/b"}, true, "rbind rprivate"},
		{"db:/b:ro", volume{source: "db", target: "/b", flags: []string{"ro"}}, false, "rbind ro rprivate"},
		{".:/b:ro,rshared", volume{source: ".", target: "/b", flags: []string{"ro", "rshared"}}, true,
			"rbind ro rshared"},
		{"..:/b:slave", volume{source: "..", target: "/b", flags: []string{"slave"}}, true, "rbind slave"},
	} {
		v, err := parseVolume(c.text)
		if err != nil || v.source != c.want.source || v.target != c.want.target ||
			!slices.Equal(v.flags, c.want.flags) || v.isPath() != c.isPath {
			t.Errorf("%s: %+v, path %t, %v", c.text, v, v.isPath(), err)
		}
		m := v.mount("/src")
		if got := strings.Join(m.Options, " "); got != c.options || m.Source != "/src" ||
			m.Destination != c.want.target {
			t.Errorf("%s: %+v, want options %s", c.text, m, c.options)
		}
	}
	for _, text := range []string{"", "data", "/a:b", ":/b", "/a:/", "/a:/b/..", "/a:/b:ro:x", "/a:/b:size=1"} {
		if v, err := parseVolume(text); err == nil {
			t.Errorf("%q is accepted: %+v", text, v)
		}
	}
}

// TestGeneratedName: the last part of the repository and a random number, a valid name in any case.
func TestGeneratedName(t *testing.T) {
	for name, prefix := range map[string]string{"alpine": "alpine-", "ghcr.io/a/b/web:1.2": "web-", "": "container-",
		"::": "container-"} {
		got := generateName(name)
		if !strings.HasPrefix(got, prefix) || len(got) != len(prefix)+6 || got == generateName(name) {
			t.Errorf("%q: %s, want %s and six random digits", name, got, prefix)
		}
	}
}
