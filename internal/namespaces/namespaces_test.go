package namespaces

import (
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func specOf(list ...specs.LinuxNamespace) *specs.Spec {
	return &specs.Spec{Linux: &specs.Linux{Namespaces: list}}
}

// TestSetup: which namespaces fork creates, and whether the plan clones the container's init.
func TestSetup(t *testing.T) {
	pid, mnt, net := specs.LinuxNamespace{Type: "pid"}, specs.LinuxNamespace{Type: "mount"},
		specs.LinuxNamespace{Type: "network"}
	user, uts := specs.LinuxNamespace{Type: "user"}, specs.LinuxNamespace{Type: "uts"}
	clock, cgroup := specs.LinuxNamespace{Type: "time"}, specs.LinuxNamespace{Type: "cgroup"}
	joined := func(n specs.LinuxNamespace) specs.LinuxNamespace { n.Path = "/proc/7/ns/x"; return n }
	for _, c := range []struct {
		name   string
		spec   *specs.Spec
		fork   uintptr
		clones bool
	}{
		{"no linux", &specs.Spec{}, 0, false},
		{"none", specOf(), 0, false},
		{"fork creates all that it can", specOf(pid, mnt, net, uts), unix.CLONE_NEWPID | unix.CLONE_NEWNS |
			unix.CLONE_NEWNET | unix.CLONE_NEWUTS, false},
		{"time and cgroup come later", specOf(mnt, clock, cgroup), unix.CLONE_NEWNS, false},
		{"with a user namespace fork creates none", specOf(user, mnt, pid), 0, true},
		{"without a PID namespace nothing is cloned", specOf(user, mnt), 0, false},
		{"a joined user namespace too", specOf(joined(user), mnt, pid), 0, true},
		{"a joined PID namespace", specOf(joined(pid), mnt), 0, true},
		{"another joined namespace", specOf(joined(net), mnt), unix.CLONE_NEWNS, false},
	} {
		s := Decide(c.spec)
		if got := s.Cloneflags(); got != c.fork {
			t.Errorf("%s: fork creates %#x, want %#x", c.name, got, c.fork)
		}
		if got := s.Clones(); got != c.clones {
			t.Errorf("%s: clones is %t, want %t", c.name, got, c.clones)
		}
	}
}

func TestJoinedNamespaces(t *testing.T) {
	s := Decide(specOf(specs.LinuxNamespace{Type: "uts"}, specs.LinuxNamespace{Type: "ipc", Path: "/run/ipc"}))
	want := Join{Type: "ipc", Flag: unix.CLONE_NEWIPC, Path: "/run/ipc", Source: "linux.namespaces[1]"}
	if j := s.Join(unix.CLONE_NEWIPC); j == nil || *j != want {
		t.Errorf("%+v, want %+v", j, want)
	}
	if s.Joined(unix.CLONE_NEWUTS) || !s.Joined(unix.CLONE_NEWIPC) || !s.Has(unix.CLONE_NEWUTS) ||
		!s.Has(unix.CLONE_NEWIPC) || s.Has(unix.CLONE_NEWNET) {
		t.Errorf("%+v: uts is new, ipc is joined, network is the host's", s)
	}
}
