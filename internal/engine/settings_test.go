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

func TestNetworkMode(t *testing.T) {
	port := []string{"8080:80"}
	for _, c := range []struct {
		settings Settings
		want     string // "": an error
	}{
		{Settings{}, "none"},
		{Settings{Publish: port}, "bridge"},
		{Settings{Network: "bridge", Publish: port}, "bridge"},
		{Settings{Network: "host"}, "host"},
		{Settings{Network: "host", Publish: port}, ""},
		{Settings{Network: "none", Publish: port}, ""},
		{Settings{Network: "container:x"}, ""},
	} {
		if got, err := c.settings.network(); got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%+v: %q, %v; want %q", c.settings, got, err, c.want)
		}
	}
}

// TestApplySettings: flags change what they are about, and nothing else.
func TestApplySettings(t *testing.T) {
	apply := func(s *Settings, network string, unified bool) *specs.Spec {
		t.Helper()
		c := spec.Default(false)
		c.Process.NoNewPrivileges = false
		if err := s.apply(c, testHost(network, unified)); err != nil {
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
func testHost(network string, unified bool) host {
	return host{network: network, unified: unified, capabilities: func() (known, own []string) { return spec.CapabilityNames(), spec.CapabilityNames() },
		devices: func() ([]specs.LinuxDevice, error) {
			return []specs.LinuxDevice{{Path: "/dev/fuse", Type: "c", Major: 10, Minor: 229},
				{Path: "/dev/sda", Type: "b", Major: 8}}, nil
		},
		processOf: func(name string) (int, error) {
			if name != "other" {
				return 0, ErrNoContainer
			}
			return 42, nil
		}}
}

func TestPrivilegedRemovesConfinement(t *testing.T) {
	c := spec.Default(false)
	c.Process.NoNewPrivileges = false
	fuse := specs.LinuxDevice{Path: "/dev/fuse", Type: "c", Major: 1, Minor: 1}
	s := Settings{Name: "p", Privileged: true, CapDrop: []string{"KILL"}, Devices: []specs.LinuxDevice{fuse}}
	if err := s.apply(c, testHost("none", false)); err != nil {
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
		if m := mountAt(c, path); slices.Contains(m.Options, "ro") {
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
		if err := (&Settings{Name: "x", Namespaces: c.n}).apply(config, testHost("none", true)); err != nil {
			t.Fatal(err)
		}
		got := []string{path(config, specs.IPCNamespace), path(config, specs.PIDNamespace), path(config, specs.UTSNamespace),
			path(config, specs.CgroupNamespace), ""}
		if m := mountAt(config, "/dev/shm"); m != nil {
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
		if err := s.apply(spec.Default(false), testHost("none", true)); err == nil {
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
	if err := (&Settings{Security: Security{Seccomp: profile, AppArmor: "docker-default", Unmasked: true}}).confine(c); err != nil ||
		c.Linux.Seccomp.DefaultAction != specs.ActAllow || c.Process.ApparmorProfile != "docker-default" ||
		c.Linux.MaskedPaths != nil {
		t.Errorf("%+v, %v", c.Linux, err)
	}
	if err := (&Settings{Security: Security{Seccomp: "/no/such"}}).confine(c); err == nil {
		t.Error("a profile that does not exist is accepted")
	}
}

func TestCheckPort(t *testing.T) {
	for text, want := range map[string]bool{
		"80": true, "8080:80": true, "127.0.0.1:8080:80": true, "80/udp": true, "[::1]:8080:80/sctp": true,
		"": false, "80:": false, ":80": false, "http": false, "80/icmp": false, "800000": false, "-1": false,
		"1:2:x": false,
	} {
		if err := CheckPort(text); (err == nil) != want {
			t.Errorf("%q: %v, want accepted %t", text, err, want)
		}
	}
}

func TestHostsText(t *testing.T) {
	if text := hostsText("web", "none"); !strings.Contains(text, "127.0.1.1\tweb\n") ||
		!strings.Contains(text, "127.0.0.1\tlocalhost\n") {
		t.Errorf("its own network: %q", text)
	}
	if text := hostsText("web", "host"); strings.Contains(text, "web") {
		t.Errorf("the host's network: %q", text)
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
