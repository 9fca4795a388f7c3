package namespaces

import (
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/handshake"
	"github.com/minirun/minirun/internal/plan"
)

// calls returns the system calls that compile adds, without those that only open, close and talk to
// the parent.
func calls(compile func(b *plan.Builder, parent *handshake.Parent)) []string {
	b := plan.NewBuilder(3)
	parent := handshake.New(b)
	compile(b, parent)
	parent.End()
	p := b.Plan()
	var out []string
	for i := range p.Steps {
		switch s := &p.Steps[i]; s.Call {
		case plan.Openat, plan.Close, plan.Read, plan.Write, plan.ExitGroup:
		default:
			out = append(out, p.CallText(s))
		}
	}
	return out
}

func compileSteps(s *specs.Spec, in Input) []string {
	return calls(func(b *plan.Builder, parent *handshake.Parent) { Compile(b, parent, s, Decide(s), in) })
}

// TestJoinOrder: with privilege the user namespace is joined last, because the others may belong to
// the host; without privilege it is joined first. The mount namespace is joined elsewhere.
func TestJoinOrder(t *testing.T) {
	s := specOf(
		specs.LinuxNamespace{Type: "user", Path: "/n/user"}, specs.LinuxNamespace{Type: "mount", Path: "/n/mnt"},
		specs.LinuxNamespace{Type: "network", Path: "/n/net"},
	)
	for _, c := range []struct {
		rootless bool
		want     []string
	}{{false, []string{"CLONE_NEWNET", "CLONE_NEWUSER"}}, {true, []string{"CLONE_NEWUSER", "CLONE_NEWNET"}}} {
		var got []string
		for _, call := range compileSteps(s, Input{Rootless: c.rootless}) {
			if flag, ok := strings.CutPrefix(call, "setns("); ok {
				_, flag, _ = strings.Cut(strings.TrimSuffix(flag, ")"), ", ")
				got = append(got, flag)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("rootless %t: joins %q, want %q", c.rootless, got, c.want)
		}
	}
}

// TestUserNamespaceFirst: all other namespaces are created after the user namespace, so that they
// belong to it, and the process becomes root of it before.
func TestUserNamespaceFirst(t *testing.T) {
	s := specOf(specs.LinuxNamespace{Type: "uts"}, specs.LinuxNamespace{Type: "pid"},
		specs.LinuxNamespace{Type: "user"})
	got := compileSteps(s, Input{})
	want := []string{
		"unshare(CLONE_NEWUSER)", "setresgid(0, 0, 0)", "setresuid(0, 0, 0)", "unshare(CLONE_NEWUTS)",
		"clone(CLONE_NEWPID|CLONE_PARENT|SIGCHLD, 0, NULL, 0, 0)",
	}
	if len(got) < len(want) || !slices.Equal(got[:len(want)], want) {
		t.Errorf("the calls are\n%s\nwant first\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	last := compileSteps(s, Input{CloneLast: true})
	if slices.ContainsFunc(last, func(call string) bool { return strings.HasPrefix(call, "clone(") }) {
		t.Errorf("the caller adds the clone: %q", last)
	}
}

// TestSysctlOrder: sysctls are written in the order of their names, to the path of their key.
func TestSysctlOrder(t *testing.T) {
	b := plan.NewBuilder(3)
	writeSysctls(b, map[string]string{"net.ipv4.ip_forward": "1", "kernel.shmmax": "42",
		"net/ipv4/conf/eth0.1/forwarding": "0"})
	p := b.Plan()
	var got []string
	for _, s := range p.Steps {
		if s.Call == plan.Openat {
			got = append(got, p.String(s.Args[1].Value))
		}
	}
	want := []string{"/proc/sys/kernel/shmmax", "/proc/sys/net/ipv4/ip_forward",
		"/proc/sys/net/ipv4/conf/eth0.1/forwarding"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
