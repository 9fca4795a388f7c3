package compile

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/seccomp"
)

func callIs(call plan.Call) func(*plan.Plan, *plan.Step) bool {
	return func(_ *plan.Plan, s *plan.Step) bool { return s.Call == call }
}

func isPivot(_ *plan.Plan, s *plan.Step) bool { return pivots(s) }

// isExecve matches the container's execve, but not that of a hook.
func isExecve(_ *plan.Plan, s *plan.Step) bool { return s.Call == plan.Execve && !inHook(s) }

// changesIdentity matches the change to process.user, but not the one to root of a user namespace.
func changesIdentity(_ *plan.Plan, s *plan.Step) bool {
	return s.Call == plan.Setresuid && s.Source == "process.user"
}

func orChangesBounding(f func(*plan.Plan, *plan.Step) bool) func(*plan.Plan, *plan.Step) bool {
	return func(p *plan.Plan, s *plan.Step) bool {
		return f(p, s) || s.Call == plan.Prctl && s.Args[0].Value == unix.PR_CAPBSET_DROP
	}
}

func makesSlave(p *plan.Plan, s *plan.Step) bool {
	return s.Call == plan.MountSetattr &&
		binary.LittleEndian.Uint64(p.Data[s.Args[3].Value-plan.DataBase+16:])&unix.MS_SLAVE != 0
}

func detachesRoot(p *plan.Plan, s *plan.Step) bool {
	return s.Call == plan.Umount && cString(p, s.Args[0]) == "."
}

func TestStepsOfThePlanAreInOrder(t *testing.T) {
	eachGolden(t, func(t *testing.T, p *plan.Plan, _ Inputs) {
		for _, o := range order {
			before := propagateFacts(p, func(i int, _ edge, f facts) {
				if o.first(p, &p.Steps[i]) {
					f["first"] = true
				}
			})
			for i := range p.Steps {
				if o.second(p, &p.Steps[i]) && !before[i]["first"] {
					t.Errorf("step %d (%s): %s", i, p.Steps[i].Name, o.why)
				}
			}
		}
	})
}

// TestExecveIsLast: a plan ends with the candidates of execve. They are followed only by the report
// that no program could be executed, and the exit.
func TestExecveIsLast(t *testing.T) {
	eachGolden(t, func(t *testing.T, p *plan.Plan, _ Inputs) {
		n := len(p.Steps)
		first := slices.IndexFunc(p.Steps, func(s plan.Step) bool { return isExecve(p, &s) })
		last := first
		for last+1 < n && p.Steps[last+1].Call == plan.Execve {
			last++
		}
		var after []plan.Call
		for _, s := range p.Steps[last+1:] {
			after = append(after, s.Call)
		}
		reported := slices.Equal(after, []plan.Call{plan.Write, plan.Ppoll, plan.ExitGroup})
		if !reported && !slices.Equal(after, []plan.Call{plan.ExitGroup}) {
			t.Fatalf("after execve come %v", after)
		}
		for i := first; i <= last; i++ {
			for _, on := range p.Steps[i].On {
				if on.To != i+1 && !(i == last && reported && on.To == last+1) || on.To == n-1 {
					t.Errorf("step %d (%s): after %s the next step is %d", i, p.Steps[i].Name, unix.ErrnoName(on.Errno),
						on.To)
				}
			}
		}
	})
}

// TestHooksOfTheImageAreFiltered: no startContainer hook, whose program is in the image, runs
// before the seccomp filter is loaded.
func TestHooksOfTheImageAreFiltered(t *testing.T) {
	for _, noNewPrivileges := range []bool{false, true} {
		for _, clonedLast := range []bool{false, true} {
			in := inputsOf(t, "hooks", noChange)
			in.Spec.Process.NoNewPrivileges, in.Namespaces.CloneLast = noNewPrivileges, clonedLast
			filter, err := seccomp.Compile(&specs.LinuxSeccomp{DefaultAction: specs.ActAllow}, seccomp.NativeArch())
			if err != nil {
				t.Fatal(err)
			}
			for _, filterLast := range []bool{false, clonedLast} {
				in.Process.Seccomp, in.Process.FilterLast = filter, filterLast
				p, _ := Container(in)
				before := propagateFacts(p, func(i int, _ edge, f facts) {
					if p.Steps[i].Call == plan.Seccomp {
						f["filtered"] = true
					}
				})
				hooks := 0
				for i := range p.Steps {
					if s := &p.Steps[i]; s.Call == plan.Execve && strings.HasPrefix(s.Source, "hooks.startContainer") {
						hooks++
						if !before[i]["filtered"] {
							t.Errorf("noNewPrivileges %v, cloned last %v, filter last %v: step %d (%s) is before "+
								"the filter",
								noNewPrivileges, clonedLast, filterLast, i, s.Name)
						}
					}
				}
				if hooks == 0 {
					t.Fatal("the plan has no startContainer hook")
				}
			}
		}
	}
}

// TestSeccompFilterComesAfterConfinement: with no_new_privs, the filter is loaded in one of the last steps. Without it,
// loading requires CAP_SYS_ADMIN. The process keeps the capability until then, and no other
// confining step follows the filter.
func TestSeccompFilterComesAfterConfinement(t *testing.T) {
	eachGolden(t, func(t *testing.T, p *plan.Plan, in Inputs) {
		at := slices.IndexFunc(p.Steps, func(s plan.Step) bool { return s.Call == plan.Seccomp })
		if (at >= 0) != (in.Spec.Linux.Seccomp != nil) {
			t.Fatalf("a filter is loaded at step %d", at)
		}
		if at < 0 {
			return
		}
		if !in.Spec.Process.NoNewPrivileges {
			admin := func(s *plan.Step) bool { // in the effective set
				return binary.LittleEndian.Uint32(p.Data[s.Args[1].Value-plan.DataBase:])&(1<<unix.CAP_SYS_ADMIN) != 0
			}
			last := -1
			for i := range p.Steps {
				s := &p.Steps[i]
				if s.Call == plan.Capset {
					last = i
					if admin(s) != (i < at) {
						t.Errorf("step %d (%s): CAP_SYS_ADMIN is kept: %v; the filter is loaded at %d", i, s.Name,
							admin(s), at)
					}
				}
				if i > at && !inHook(s) && slices.Contains(confining, s.Call) {
					t.Errorf("step %d (%s) is after the filter, which may only claim to have done it", i, s.Name)
				}
			}
			if last < at {
				t.Error("the process keeps CAP_SYS_ADMIN after the filter")
			}
			return
		}
		for i := at + 1; i < len(p.Steps); i++ {
			if p.Steps[i].Call == plan.Ppoll && !in.Process.Unreported {
				continue // after a failed execve, if the profile allows it
			}
			if !slices.Contains(afterSeccomp, p.Steps[i].Call) {
				t.Errorf("step %d (%s): the profile would have to allow %s", i, p.Steps[i].Name, p.Steps[i].Call.Name())
			}
		}
	})
}

// TestStepsExplainThemselves: every step has a name, and a JSON path that begins with a field of
// config.json.
func TestStepsExplainThemselves(t *testing.T) {
	fields := []string{"root", "mounts", "process", "hostname", "domainname", "hooks", "linux", "annotations",
		"--layer", "--ephemeral"}
	eachGolden(t, func(t *testing.T, p *plan.Plan, _ Inputs) {
		for i := range p.Steps {
			s := &p.Steps[i]
			field, _, _ := strings.Cut(s.Source, ".")
			field, _, _ = strings.Cut(field, "[")
			if s.Name == "" || s.Source != "" && !slices.Contains(fields, field) {
				t.Errorf("step %d: name %q, source %q", i, s.Name, s.Source)
			}
			if strings.Contains(p.CallText(s), "$None") || strings.HasPrefix(p.CallText(s), "(") {
				t.Errorf("step %d (%s): the text %q is not a call", i, s.Name, p.CallText(s))
			}
		}
	})
}

// TestUmaskComesBeforeTheFilter: a profile may make umask(2) return success without effect.
func TestUmaskComesBeforeTheFilter(t *testing.T) {
	eachGolden(t, func(t *testing.T, p *plan.Plan, _ Inputs) {
		filtered, umask := false, ""
		for i := range p.Steps {
			switch s := &p.Steps[i]; s.Call {
			case plan.Seccomp:
				filtered = true
			case plan.Umask:
				if umask = s.Source; filtered && umask == "process.user.umask" {
					t.Errorf("step %d (%s) is after the filter", i, s.Name)
				}
			}
		}
	})
}
