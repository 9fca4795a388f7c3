package config

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/spec"
)

// TestApplySettings: flags change what they are about, and nothing else.
func TestApplySettings(t *testing.T) {
	apply := func(s *Settings, network string, unified bool) *specs.Spec {
		t.Helper()
		c := spec.Default(false)
		c.Process.NoNewPrivileges = false
		if err := s.Apply(c, testHost(network, unified)); err != nil {
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
		Name: "web", Hostname: "h", ReadOnly: true, Security: Security{NoNewPrivileges: true, Seccomp: "unconfined"},
	}, "host", false)
	if c.Hostname != "h" || !c.Root.Readonly || has(c, specs.NetworkNamespace) || c.Linux.Sysctl != nil {
		t.Errorf("hostname %q, read-only %t, namespaces %v, sysctl %v", c.Hostname, c.Root.Readonly,
			c.Linux.Namespaces, c.Linux.Sysctl)
	}
	if c.Linux.Seccomp != nil || !c.Process.NoNewPrivileges {
		t.Errorf("seccomp %t, no_new_privs %t", c.Linux.Seccomp != nil, c.Process.NoNewPrivileges)
	}
}

// testHost is a host with two devices and one container.
func testHost(network string, unified bool) Host {
	return Host{Network: network, Unified: unified, Capabilities: func() (known, own []string) { return spec.CapabilityNames(), spec.CapabilityNames() },
		Devices: func() ([]specs.LinuxDevice, error) {
			return []specs.LinuxDevice{{Path: "/dev/fuse", Type: "c", Major: 10, Minor: 229},
				{Path: "/dev/sda", Type: "b", Major: 8}}, nil
		},
		ProcessOf: func(name string) (int, error) {
			if name != "other" {
				return 0, os.ErrNotExist
			}
			return 42, nil
		}}
}

func TestPrivilegedRemovesConfinement(t *testing.T) {
	c := spec.Default(false)
	c.Process.NoNewPrivileges = false
	fuse := specs.LinuxDevice{Path: "/dev/fuse", Type: "c", Major: 1, Minor: 1}
	s := Settings{Name: "p", Privileged: true, CapDrop: []string{"KILL"}, Devices: []specs.LinuxDevice{fuse}}
	if err := s.Apply(c, testHost("none", false)); err != nil {
		t.Fatal(err)
	}
	l := c.Linux
	if l.Seccomp != nil || l.MaskedPaths != nil || l.ReadonlyPaths != nil || len(l.Devices) != 2 ||
		l.Devices[0].Major != 1 || len(l.Resources.Devices) != 1 || !l.Resources.Devices[0].Allow {
		t.Errorf("%+v", l)
	}
	caps := c.Process.Capabilities.Effective
	if !slices.Contains(caps, "CAP_SYS_ADMIN") || slices.Contains(caps, "CAP_KILL") {
		t.Errorf("capabilities %q", caps)
	}
	for _, path := range []string{"/sys", "/sys/fs/cgroup"} {
		if m := MountAt(c, path); slices.Contains(m.Options, "ro") {
			t.Errorf("%s: %q", path, m.Options)
		}
	}
}

func TestSharedNamespaces(t *testing.T) {
	path := func(c *specs.Spec, kind specs.LinuxNamespaceType) string {
		for _, n := range c.Linux.Namespaces {
			if n.Type == kind {
				return "own " + n.Path
			}
		}
		return "host"
	}
	for _, c := range []struct {
		n                     Namespaces
		ipc, pid, uts, cgroup string
		shm                   string
	}{
		{Namespaces{}, "own ", "own ", "own ", "own ", "shm"},
		{Namespaces{IPC: "host", PID: "host", UTS: "host", Cgroup: "host"}, "host", "host", "host", "host", "/dev/shm"},
		{Namespaces{IPC: "none"}, "own ", "own ", "own ", "own ", ""},
		{Namespaces{PID: "container:other"}, "own ", "own /proc/42/ns/pid", "own ", "own ", "shm"},
	} {
		config := spec.Default(false)
		if err := (&Settings{Name: "x", Namespaces: c.n}).Apply(config, testHost("none", true)); err != nil {
			t.Fatal(err)
		}
		got := []string{path(config, specs.IPCNamespace), path(config, specs.PIDNamespace), path(config, specs.UTSNamespace),
			path(config, specs.CgroupNamespace), ""}
		if m := MountAt(config, "/dev/shm"); m != nil {
			got[4] = m.Source
		}
		if want := []string{c.ipc, c.pid, c.uts, c.cgroup, c.shm}; !slices.Equal(got, want) {
			t.Errorf("%+v: %q, want %q", c.n, got, want)
		}
		if c.n.UTS == "host" && config.Hostname != "" {
			t.Errorf("the host's name would be changed to %q", config.Hostname)
		}
	}
	for _, s := range []Settings{{Namespaces: Namespaces{PID: "container:none"}},
		{Namespaces: Namespaces{IPC: "host"}, ShmSize: 1}} {
		if err := s.Apply(spec.Default(false), testHost("none", true)); err == nil {
			t.Errorf("%+v is accepted", s.Namespaces)
		}
	}
}

func TestConfinement(t *testing.T) {
	profile := filepath.Join(t.TempDir(), "profile.json")
	if err := os.WriteFile(profile, []byte(`{"defaultAction": "SCMP_ACT_ALLOW"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	c := spec.Default(false)
	if err := (&Settings{Security: Security{Seccomp: profile, AppArmor: "docker-default", Unmasked: true}}).confine(c, Host{}); err != nil ||
		c.Linux.Seccomp.DefaultAction != specs.ActAllow || c.Process.ApparmorProfile != "docker-default" ||
		c.Linux.MaskedPaths != nil {
		t.Errorf("%+v, %v", c.Linux, err)
	}
	if err := (&Settings{Security: Security{Seccomp: "/no/such"}}).confine(c, Host{}); err == nil {
		t.Error("a profile that does not exist is accepted")
	}
}

// TestDefaultAppArmorProfile: containers have the host's default profile, unless they are privileged or
// have another one.
func TestDefaultAppArmorProfile(t *testing.T) {
	for _, x := range []struct {
		s    Settings
		host string
		want string
	}{
		{Settings{}, "default", "default"},
		{Settings{}, "", ""},
		{Settings{Privileged: true}, "default", ""},
		{Settings{Security: Security{AppArmor: "unconfined"}}, "default", ""},
		{Settings{Security: Security{AppArmor: "other"}}, "default", "other"},
		{Settings{Security: Security{AppArmor: "other"}, Privileged: true}, "default", "other"},
	} {
		c := spec.Default(false)
		if err := x.s.confine(c, Host{AppArmor: x.host}); err != nil || c.Process.ApparmorProfile != x.want {
			t.Errorf("%+v: %q, want %q, %v", x.s.Security, c.Process.ApparmorProfile, x.want, err)
		}
	}
}
