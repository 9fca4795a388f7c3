package compile

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/process"
	"github.com/minirun/minirun/internal/seccomp"
)

// afterClone lists the calls that a process may make once other processes can see it. They require
// no privilege and open nothing of the host.
var afterClone = []plan.Call{
	plan.Read, plan.Write, plan.Close, plan.Dup3, plan.Fcntl, // to talk to the parent, and to `start`
	plan.Setsid, plan.Ioctl, plan.Socketpair, plan.Prlimit, plan.Umask,
	plan.Openat2, plan.Fchdir, plan.Faccessat, plan.Faccessat2, plan.Ppoll, // for the working directory and the program
	plan.Seccomp, plan.Execve, plan.ExitGroup,
}

// TestNothingOfTheHostIsLeftAtTheClone: a process that enters a PID namespace with other processes has, on
// every path to the clone, closed its descriptors and dropped its privileges. After the clone it
// does nothing that requires a privilege.
func TestNothingOfTheHostIsLeftAtTheClone(t *testing.T) {
	seen := 0
	eachGolden(t, func(t *testing.T, p *plan.Plan, in Inputs) {
		entered := slices.IndexFunc(p.Steps, func(s plan.Step) bool {
			return s.Call == plan.Setns && s.Args[1].Value&unix.CLONE_NEWPID != 0
		})
		if entered < 0 || strings.HasSuffix(t.Name(), "/joinedpid") {
			return // the namespace is empty before, or the kernel is too old to clone last
		}
		seen++
		socket := uint64(3 + in.Process.Preserve)
		before := propagateFacts(p, func(i int, _ edge, f facts) {
			switch s := &p.Steps[i]; {
			case s.Call == plan.CloseRange && s.Args[0].Value == socket+1 && s.Args[2].Value == 0:
				f["closed"] = true
			case s.Call == plan.Setresuid && s.Source == "process.user":
				f["uid"] = true
			case s.Call == plan.Setresgid && s.Source == "process.user":
				f["gid"] = true
			case s.Call == plan.Setgroups:
				f["groups"] = true
			case s.Call == plan.Capset:
				f["capabilities"] = true
			}
		})
		arrived := len(p.Steps)
		for i, s := range p.Steps {
			if s.Call != plan.Clone || s.Args[0].Value&unix.CLONE_PARENT == 0 {
				continue
			}
			arrived = min(arrived, i)
			for _, fact := range []string{"closed", "uid", "gid", "groups", "capabilities"} {
				if !before[i][fact] {
					t.Errorf("step %d (%s): %s is not done on some path to it", i, s.Name, fact)
				}
			}
		}
		if arrived == len(p.Steps) {
			t.Fatal("no process is cloned")
		}
		for i := arrived + 1; i < len(p.Steps); i++ {
			if s := &p.Steps[i]; s.Call != plan.Clone && !inHook(s) && !slices.Contains(afterClone, s.Call) {
				t.Errorf("step %d (%s) is after the clone", i, s.Name)
			}
		}
	})
	if seen < 5 {
		t.Errorf("only %d plans were looked at", seen)
	}
}

// TestProcMountNamesJoinedPIDNamespace: if a proc file system is mounted before the process is in its PID
// namespace, the mount names that namespace.
func TestProcMountNamesJoinedPIDNamespace(t *testing.T) {
	for last, want := range map[bool]string{false: "", true: "pidns=/proc/self/ns/pid_for_children"} {
		in := inputsOf(t, "joinedpid", func(in *Inputs) { in.Namespaces.CloneLast = last })
		p, _ := Container(in)
		i := slices.IndexFunc(p.Steps, func(s plan.Step) bool {
			return s.Call == plan.Mount &&
				strings.HasPrefix(s.Name, "mount proc")
		})
		got := ""
		if a := p.Steps[i].Args[4]; a.Kind == plan.Pointer {
			got = cString(p, a)
		}
		if got != want {
			t.Errorf("clone last %v: proc is mounted with %q, want %q", last, got, want)
		}
	}
}

// filterOf compiles a filter that applies an action to some calls.
func filterOf(t *testing.T, action specs.LinuxSeccompAction, names ...string) *seccomp.Program {
	t.Helper()
	profile := &specs.LinuxSeccomp{DefaultAction: specs.ActAllow,
		Syscalls: []specs.LinuxSyscall{{Names: names, Action: action}}}
	if action == specs.ActNotify {
		profile.ListenerPath = "/agent"
	}
	program, err := seccomp.Compile(profile, seccomp.NativeArch())
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// TestFilterThatForbidsArrivalIsLoadedLast checks when the filter is loaded by a process that other processes can see.
func TestFilterThatForbidsArrivalIsLoadedLast(t *testing.T) {
	ptrace := &specs.LinuxCapabilities{Bounding: []string{"CAP_SYS_PTRACE"}}
	limit := []specs.POSIXRlimit{{Type: "RLIMIT_NPROC", Soft: 1, Hard: 1}}
	for _, c := range []struct {
		what    string
		filter  *seccomp.Program
		process specs.Process
		late    bool // loaded after the clone
		refused bool
	}{
		{"no filter", nil, specs.Process{}, false, false},
		{"one that is not in the way", filterOf(t, specs.ActErrno, "mount"), specs.Process{}, false, false},
		{"one that logs", filterOf(t, specs.ActLog, "clone"), specs.Process{}, false, false},
		{"no clone", filterOf(t, specs.ActErrno, "clone"), specs.Process{}, true, false},
		{"no clone, and no_new_privs", filterOf(t, specs.ActErrno, "clone"), specs.Process{NoNewPrivileges: true},
			false, false},
		{"no clone, with a spy", filterOf(t, specs.ActErrno, "clone"), specs.Process{Capabilities: ptrace}, false,
			true},
		{"no clone, with a spy inside", filterOf(t, specs.ActErrno, "clone"), specs.Process{Cwd: "spy"}, false, true},
		{"no setsid", filterOf(t, specs.ActKillProcess, "setsid"), specs.Process{}, true, false},
		{"no ioctl", filterOf(t, specs.ActErrno, "ioctl"), specs.Process{}, false, false},
		{"no ioctl, and a terminal", filterOf(t, specs.ActErrno, "ioctl"), specs.Process{Terminal: true}, true, false},
		{"no prlimit64, and a limit", filterOf(t, specs.ActErrno, "prlimit64"), specs.Process{Rlimits: limit}, true,
			false},
		{"no clone, in a PID namespace of others", filterOf(t, specs.ActErrno, "clone"), specs.Process{Cwd: "unknown"},
			false, true},
		{"no mount, in a PID namespace of others", filterOf(t, specs.ActErrno, "mount"), specs.Process{Cwd: "unknown"},
			false, false},
		{"no socketpair", filterOf(t, specs.ActErrno, "socketpair"), specs.Process{}, false, false},
		{"no socketpair, and start comes later", filterOf(t, specs.ActErrno, "socketpair"), specs.Process{Cwd: "waits"},
			true, false},
		{"no prctl", filterOf(t, specs.ActErrno, "prctl"), specs.Process{}, false, false},
		{"no prctl, and die-with-parent", filterOf(t, specs.ActErrno, "prctl"), specs.Process{Cwd: "dies"}, true,
			false},
		{"an agent for mkdir", filterOf(t, specs.ActNotify, "mkdirat"), specs.Process{}, false, false},
		{"an agent for capset", filterOf(t, specs.ActNotify, "capset"), specs.Process{}, true, false},
	} {
		in, first := process.Input{Seccomp: c.filter}, &c.process
		switch c.process.Cwd {
		case "spy":
			first = &specs.Process{Capabilities: ptrace}
		case "unknown":
			first = nil
		case "dies":
			in.DieWithParent = true
		case "waits":
			in.Waits = true
		}
		late, err := FilterLast(&c.process, first, &in, true)
		if late != c.late || (err != nil) != c.refused {
			t.Errorf("%s: loaded after the clone: %v (%v), want %v, refused %v", c.what, late, err, c.late, c.refused)
		}
		if late, err := FilterLast(&c.process, first, &in, false); err != nil || late {
			t.Errorf("%s, without a clone: %v, %v", c.what, late, err)
		}
	}
}

// TestFilterLastTakesOneCapability: a process that loads its filter after the clone keeps
// CAP_SYS_ADMIN until then, and no longer.
func TestFilterLastTakesOneCapability(t *testing.T) {
	in := execInputsOf(t, "default", func(in *ExecInputs) {
		in.Process.Seccomp, in.Process.FilterLast = filterOf(t, specs.ActErrno, "clone"), true
		in.Spec.Process.NoNewPrivileges = false
	})
	if in.Namespaces&namespaces.All == 0 {
		t.Fatal("the container has no namespaces")
	}
	p := Exec(in)
	var order []string
	for i := range p.Steps {
		switch s := &p.Steps[i]; {
		case s.Call == plan.Capset:
			permitted := binary.LittleEndian.Uint32(p.Data[s.Args[1].Value-plan.DataBase+4:])
			order = append(order, map[bool]string{true: "capset with CAP_SYS_ADMIN",
				false: "capset"}[permitted&(1<<unix.CAP_SYS_ADMIN) != 0])
		case s.Call == plan.Seccomp:
			order = append(order, "filter")
		case s.Call == plan.Setsid && len(order) > 0:
			order = append(order, "arrived")
		}
	}
	if want := []string{"capset with CAP_SYS_ADMIN", "arrived", "filter", "capset"}; !slices.Equal(order, want) {
		t.Errorf("%q, want %q", order, want)
	}
}
