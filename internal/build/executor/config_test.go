package executor

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/build/graph"
	"github.com/minirun/minirun/internal/image"
)

func TestResolvConf(t *testing.T) {
	const host = "# made by resolved\nnameserver 127.0.0.53\n; old\nnameserver   10.0.0.1  \nnameserver ::1\nnameserver fe80::1\nsearch a b\n\noptions edns0"
	if got, want := resolvConf(host, "host"), "nameserver 127.0.0.53\nnameserver 10.0.0.1\nnameserver ::1\nnameserver fe80::1\nsearch a b\noptions edns0\n"; got != want {
		t.Errorf("%q", got)
	}
	if got, want := resolvConf(host, "none"), "nameserver 10.0.0.1\nnameserver fe80::1\nsearch a b\noptions edns0\n"; got != want {
		t.Errorf("%q", got)
	}
}

func TestHostsFile(t *testing.T) {
	if _, err := hostsFile(hostname, []string{"a=1.2.3.4", "b=::1"}); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"a", "=1.2.3.4", "a=b", "a b=1.2.3.4", "a\n=1.2.3.4", "a="} {
		if text, err := hostsFile(hostname, []string{bad}); err == nil {
			t.Errorf("%q makes %q", bad, text)
		}
	}
}

func TestConfigOfStep(t *testing.T) {
	op := &graph.Run{Argv: []string{"sh"}, Cwd: "/"}
	has := func(c *specs.Spec, kind specs.LinuxNamespaceType) bool {
		return slices.ContainsFunc(c.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == kind })
	}
	make := func(op *graph.Run, f facts) *specs.Spec {
		t.Helper()
		c, err := newConfig(op, f)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := make(op, facts{network: "none", unified: true})
	if !has(c, specs.NetworkNamespace) || !has(c, specs.CgroupNamespace) || c.Linux.Seccomp == nil || len(c.Linux.MaskedPaths) == 0 || len(c.Process.Capabilities.Bounding) != 14 {
		t.Errorf("%+v", c.Linux)
	}
	c = make(op, facts{network: "host", rootless: true})
	if has(c, specs.NetworkNamespace) || has(c, specs.CgroupNamespace) || c.Linux.Resources != nil {
		t.Errorf("%+v", c.Linux)
	}
	if slices.Contains(make(op, facts{network: "host"}).Process.Capabilities.Bounding, "CAP_NET_RAW") {
		t.Error("a step could read the host's packets")
	}
	for _, m := range c.Mounts {
		if m.Destination == "/sys" && m.Type != "bind" {
			t.Errorf("%+v: a sysfs belongs to a network namespace", m)
		}
	}
	all := *op
	all.Insecure = true
	c = make(&all,
		facts{network: "none", capabilities: capabilityNames(1<<21 | 1), devices: []specs.LinuxDevice{{Path: "/dev/x"}}})
	if c.Linux.Seccomp != nil || c.Linux.MaskedPaths != nil || c.Linux.ReadonlyPaths != nil || len(c.Linux.Devices) != 1 || !c.Linux.Resources.Devices[0].Allow ||
		!slices.Equal(c.Process.Capabilities.Effective, []string{"CAP_CHOWN", "CAP_SYS_ADMIN"}) {
		t.Errorf("%+v", c.Linux)
	}
	for _, bad := range []*graph.Run{{Argv: []string{"sh"}, Cwd: "x"}, {Cwd: "/"}} {
		if _, err := newConfig(bad, facts{}); err == nil {
			t.Errorf("%+v", bad)
		}
	}
}

// linked creates a layer with links for TestMountpointsFollowLinks.
func linked(t testing.TB) *mountpointResolver {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{"etc", "run", "usr/lib", "dev"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "etc/file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{
		"lib": "usr/lib", "var": "../../../run", "etc/resolv.conf": "../run/gone/resolv.conf", "loop": "loop",
		"abs": "/etc", "up": "../../../..", "dev/shm": "/run/shm",
	} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return &mountpointResolver{stack: image.Stack{dir}, taken: []string{"/dev"}}
}

func TestMountpointsFollowLinks(t *testing.T) {
	s := linked(t)
	for path, want := range map[string]mountpoint{
		"/etc":             {path: "/etc"},
		"/":                {path: "/"},
		"/proc":            {path: "/proc", missing: true},
		"/lib/x/y":         {path: "/usr/lib/x/y", missing: true},
		"/var":             {path: "/run"},
		"/var/lock":        {path: "/run/lock", missing: true},
		"/etc/resolv.conf": {path: "/run/gone/resolv.conf", missing: true},
		"/abs/file":        {path: "/etc/file"},
		"/up/up/etc":       {path: "/etc"},
		"/gone/../etc":     {path: "/etc"},
		"/gone/../g":       {path: "/g", missing: true},
		"relative/../etc":  {path: "/etc"},
		"/dev":             {path: "/dev", inside: true},
		"/dev/shm":         {path: "/dev/shm", inside: true}, // inside another mount, which has no such link
		"/x/../dev/a/b":    {path: "/dev/a/b", inside: true},
	} {
		if got, err := s.resolve(path); err != nil || got != want {
			t.Errorf("%s: %+v, %v", path, got, err)
		}
	}
	for path, want := range map[string]string{"/loop": unix.ELOOP.Error(), "/etc/file/x": unix.ENOTDIR.Error()} {
		if got, err := s.resolve(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v, %v", path, got, err)
		}
	}
}

// FuzzSeats: every result is a path without links below the root.
func FuzzSeats(f *testing.F) {
	for _, p := range []string{"/etc/resolv.conf", "/var/../lib/x", "//up/./abs/..", "dev/shm/x"} {
		f.Add(p)
	}
	s := linked(f)
	f.Fuzz(func(t *testing.T, path string) {
		found, err := s.resolve(path)
		if err != nil || found.inside {
			return
		}
		if !filepath.IsAbs(found.path) || filepath.Clean(found.path) != found.path {
			t.Fatalf("%q: %q", path, found.path)
		}
		for at := found.path; at != "/"; at = filepath.Dir(at) {
			if st := s.lstat(at); st != nil && st.Mode&unix.S_IFMT == unix.S_IFLNK {
				t.Fatalf("%q: %q leads through the link %q", path, found.path, at)
			}
		}
		if again, err := s.resolve(found.path); err != nil || again != found {
			t.Fatalf("%q: %+v, and of that %+v, %v", path, found, again, err)
		}
	})
}
