package process

import (
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/handshake"
	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/seccomp"
)

// identityPlan returns the steps that give a process its identity.
func identityPlan(p *specs.Process, in Input) *plan.Plan {
	b := plan.NewBuilder(3)
	New(b, handshake.New(b), &specs.Spec{Process: p}, in).Identity()
	return b.Plan()
}

// execPlan returns the steps that execute a program.
func execPlan(p *specs.Process, in Input) *plan.Plan {
	b := plan.NewBuilder(3)
	New(b, handshake.New(b), &specs.Spec{Process: p}, in).Exec()
	return b.Plan()
}

// index returns the first step whose call begins with a text, -1 if there is none.
func index(p *plan.Plan, call string) int {
	for i := range p.Steps {
		if strings.HasPrefix(p.CallText(&p.Steps[i]), call) {
			return i
		}
	}
	return -1
}

func TestCandidates(t *testing.T) {
	for _, c := range []struct {
		arg0 string
		env  []string
		want []string
	}{
		{"/bin/sh", []string{"PATH=/x"}, []string{"/bin/sh"}},
		{"./sh", nil, []string{"./sh"}},
		{"bin/sh", []string{"PATH=/x"}, []string{"bin/sh"}},
		{"sh", []string{"PATH=/bin:/usr/bin/"}, []string{"/bin/sh", "/usr/bin/sh"}},
		{"sh", []string{"PATH=/old", "X=1", "PATH=/new"}, []string{"/new/sh"}}, // the last one counts
		{"sh", []string{"PATH=:/bin:"}, []string{"./sh", "/bin/sh", "./sh"}},
		{"sh", []string{"PATH="}, nil},
		{"sh", []string{"MYPATH=/bin"}, nil},
	} {
		if got := Candidates(c.arg0, c.env); !slices.Equal(got, c.want) {
			t.Errorf("%s with %q: %q, want %q", c.arg0, c.env, got, c.want)
		}
	}
}

func TestEnvironment(t *testing.T) {
	for _, c := range []struct {
		env, want []string
		home      bool
	}{
		{[]string{"A=1", "B=2"}, []string{"A=1", "B=2"}, false},
		{[]string{"A=1", "B=2", "A=3"}, []string{"B=2", "A=3"}, false},
		{[]string{"HOME=/root", "HOME="}, []string{}, false},
		{[]string{"HOME=", "HOME=/x"}, []string{"HOME=/x"}, true},
		{[]string{"HOMER=/x"}, []string{"HOMER=/x"}, false},
		{[]string{"A=x=y"}, []string{"A=x=y"}, false},
	} {
		if got := Environment(c.env); !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, want %q", c.env, got, c.want)
		}
		if got := HasHome(c.env); got != c.home {
			t.Errorf("%q has HOME: %t, want %t", c.env, got, c.home)
		}
	}
}

// TestCapabilityMasks: unknown names are ignored, and an ambient capability must be in the permitted
// and the inheritable set.
func TestCapabilityMasks(t *testing.T) {
	if got := CapabilitySets(nil); got != (Sets{}) {
		t.Errorf("no object: %+v", got)
	}
	const chown, kill = 1 << unix.CAP_CHOWN, 1 << unix.CAP_KILL
	got := CapabilitySets(&specs.LinuxCapabilities{
		Bounding: []string{"CAP_CHOWN", "CAP_KILL", "CAP_OF_THE_FUTURE"}, Effective: []string{"CAP_KILL"},
		Permitted: []string{"CAP_CHOWN", "CAP_KILL"}, Inheritable: []string{"CAP_KILL"},
		Ambient: []string{"CAP_CHOWN", "CAP_KILL"},
	})
	want := Sets{Bounding: chown | kill, Effective: kill, Permitted: chown | kill, Inheritable: kill, Ambient: kill}
	if got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestSchedAttr(t *testing.T) {
	got := SchedAttr(&specs.Scheduler{Policy: specs.SchedRR, Priority: 9, Nice: -5,
		Flags: []specs.LinuxSchedulerFlag{specs.SchedFlagResetOnFork}})
	want := unix.SchedAttr{Size: 48, Policy: unix.SCHED_RR, Priority: 9, Nice: -5, Flags: unix.SCHED_FLAG_RESET_ON_FORK}
	if *got != want {
		t.Errorf("%+v, want %+v", *got, want)
	}
	for policy, want := range map[specs.LinuxSchedulerPolicy]bool{specs.SchedOther: false, specs.SchedDeadline: true} {
		if got := ScheduledFromOutside(&specs.Scheduler{Policy: policy}); got != want {
			t.Errorf("%s is set from outside: %t, want %t", policy, got, want)
		}
	}
	if !ScheduledFromOutside(&specs.Scheduler{Policy: specs.SchedOther,
		Flags: []specs.LinuxSchedulerFlag{specs.SchedFlagResetOnFork}}) {
		t.Error("a child does not inherit a policy with reset-on-fork")
	}
}

// TestIdentityOrder: privileges are dropped in the only order that works.
func TestIdentityOrder(t *testing.T) {
	p := &specs.Process{
		Args: []string{"/bin/sh"}, Cwd: "/", NoNewPrivileges: true,
		User:         specs.User{UID: 1000, GID: 1000, AdditionalGids: []uint32{7, 5, 7}},
		Capabilities: &specs.LinuxCapabilities{Bounding: []string{"CAP_KILL"}},
		Rlimits:      []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 1, Hard: 2}},
	}
	built := identityPlan(p, Input{Rlimits: true, LastCapability: 5})
	order := []string{
		"prlimit64(0, RLIMIT_NOFILE", "prctl(PR_SET_NO_NEW_PRIVS, 1", "openat2(AT_FDCWD, \"/\"", "umask(022)",
		"prctl(PR_CAPBSET_DROP", "prctl(PR_SET_KEEPCAPS, 1", "setgroups(2, [5, 7])", "setresgid(1000, 1000, 1000)",
		"setresuid(1000, 1000, 1000)", "capset(", "prctl(PR_CAP_AMBIENT",
	}
	last := -1
	for _, call := range order {
		i := index(built, call)
		if i <= last {
			t.Errorf("%s is step %d, must come after step %d", call, i, last)
		}
		last = max(last, i)
	}
	dropped := 0
	for i := range built.Steps {
		if s := &built.Steps[i]; s.Call == plan.Prctl && s.Args[0].Value == unix.PR_CAPBSET_DROP {
			dropped++
			if s.Args[1].Value == unix.CAP_KILL {
				t.Error("a capability of the bounding set is dropped")
			}
		}
	}
	if dropped != 5 { // 0 to 5, except CAP_KILL, which is 5
		t.Errorf("%d capabilities are dropped, want 5", dropped)
	}
}

// TestRootKeepsNothing: root does not need PR_SET_KEEPCAPS, and the caller's groups are kept only if
// that is requested.
func TestRootKeepsNothing(t *testing.T) {
	p := &specs.Process{Args: []string{"/bin/sh"}, Cwd: "/"}
	built := identityPlan(p, Input{})
	if i := index(built, "prctl(PR_SET_KEEPCAPS"); i >= 0 {
		t.Errorf("step %d keeps the capabilities of root", i)
	}
	if i := index(built, "setgroups(0, [])"); i < 0 {
		t.Error("the caller's groups are kept")
	}
	if i := index(identityPlan(p, Input{KeepGroups: true}), "setgroups("); i >= 0 {
		t.Errorf("step %d sets groups, although the caller's must be kept", i)
	}
}

func filterOf(t *testing.T, calls ...string) *seccomp.Program {
	t.Helper()
	f, err := seccomp.Compile(&specs.LinuxSeccomp{
		DefaultAction: specs.ActErrno, Syscalls: []specs.LinuxSyscall{{Names: calls, Action: specs.ActAllow}},
	}, seccomp.NativeArch())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestFilterPosition: with no_new_privs the filter is loaded just before execve, or before the
// startContainer hooks; without it, where the process still has CAP_SYS_ADMIN, which it then drops.
func TestFilterPosition(t *testing.T) {
	filter := filterOf(t, "execve", "write", "read")
	hooks := &specs.Hooks{StartContainer: []specs.Hook{{Path: "/hook"}}}
	for _, c := range []struct {
		name    string
		noNew   bool
		hooks   *specs.Hooks
		before  string // the call that comes right after it
		capsets int
	}{
		{"no_new_privs", true, nil, `execve("/bin/sh"`, 1},
		{"no_new_privs with hooks", true, hooks, "clone(", 1},
		{"privileged", false, nil, "capset(", 2},
	} {
		b := plan.NewBuilder(3)
		parent := handshake.New(b)
		p := &specs.Process{Args: []string{"/bin/sh"}, Cwd: "/", NoNewPrivileges: c.noNew, Env: []string{"HOME=/"}}
		r := New(b, parent, &specs.Spec{Process: p, Hooks: c.hooks}, Input{Seccomp: filter})
		r.Identity()
		r.Exec()
		built := b.Plan()
		i, capsets := index(built, "seccomp("), 0
		for k := range built.Steps {
			if built.Steps[k].Call == plan.Capset {
				capsets++
			}
		}
		if i < 0 || !strings.HasPrefix(built.CallText(&built.Steps[i+1]), c.before) {
			t.Errorf("%s: the filter is step %d, not right before %s", c.name, i, c.before)
		}
		if capsets != c.capsets {
			t.Errorf("%s: capset is called %d times, want %d", c.name, capsets, c.capsets)
		}
	}
}

// TestFilterAllowances: what a filter allows decides where it is loaded and what is reported.
func TestFilterAllowances(t *testing.T) {
	arrival := []string{"clone", "close", "write", "read", "exit_group", "setsid"}
	p := &specs.Process{}
	if !FilterAllowsArrival(filterOf(t, arrival...), p, &Input{}) {
		t.Error("a filter that allows every step forbids the arrival")
	}
	for _, missing := range arrival {
		rest := slices.DeleteFunc(slices.Clone(arrival), func(c string) bool { return c == missing })
		if FilterAllowsArrival(filterOf(t, rest...), p, &Input{}) {
			t.Errorf("without %s the process cannot arrive", missing)
		}
	}
	for name, c := range map[string]struct {
		p  *specs.Process
		in Input
	}{
		"ioctl":      {&specs.Process{Terminal: true}, Input{}},
		"socketpair": {p, Input{Waits: true}},
		"prctl":      {p, Input{DieWithParent: true}},
		"prlimit64":  {&specs.Process{Rlimits: []specs.POSIXRlimit{{Type: "RLIMIT_NPROC"}}}, Input{}},
	} {
		if FilterAllowsArrival(filterOf(t, arrival...), c.p, &c.in) {
			t.Errorf("%s is needed, and not allowed", name)
		}
		if !FilterAllowsArrival(filterOf(t, append(arrival, name)...), c.p, &c.in) {
			t.Errorf("%s is allowed", name)
		}
	}
	if !FilterAllowsReport(nil) || !FilterAllowsReport(filterOf(t, "write", "ppoll")) ||
		FilterAllowsReport(filterOf(t, "write")) || FilterAllowsReport(filterOf(t, "ppoll")) {
		t.Error("a report needs write and ppoll")
	}
}

// TestProgramSteps: the search goes through all directories, and only its last failure is reported.
func TestProgramSteps(t *testing.T) {
	p := &specs.Process{Args: []string{"sh"}, Cwd: "/", Env: []string{"PATH=/a:/b", "HOME=/"}}
	for _, unreported := range []bool{false, true} {
		built := execPlan(p, Input{Unreported: unreported})
		var tried []string
		for i := range built.Steps {
			s := &built.Steps[i]
			if s.Call != plan.Execve {
				continue
			}
			if s.Kind != plan.Program {
				t.Errorf("step %d executes the program, and has the kind %d", i, s.Kind)
			}
			tried = append(tried, built.String(s.Args[0].Value))
			last := len(tried) == 2
			if handled := len(s.On) > 0; handled != (!last || !unreported) {
				t.Errorf("unreported %t: %s handles errors: %t", unreported, tried[len(tried)-1], handled)
			}
		}
		if !slices.Equal(tried, []string{"/a/sh", "/b/sh"}) {
			t.Errorf("tries %q", tried)
		}
	}
}
