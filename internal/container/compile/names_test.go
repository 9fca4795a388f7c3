package compile

import (
	"regexp"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/capability"
	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/spec"
)

// TestPlansNameEveryFlag: no plan shows a number in hexadecimal: a reader would have to look it up in
// the kernel's headers.
func TestPlansNameEveryFlag(t *testing.T) {
	eachGolden(t, func(t *testing.T, p *plan.Plan, _ Inputs) { checkNames(t, p) })
}

var quoted, hexadecimal = regexp.MustCompile(`"([^"\\]|\\.)*"`), regexp.MustCompile(`\b0x[0-9a-f]+`)

func checkNames(t *testing.T, p *plan.Plan) {
	t.Helper()
	for i := range p.Steps {
		text := quoted.ReplaceAllString(p.CallText(&p.Steps[i]), "")
		if number := hexadecimal.FindString(text); number != "" {
			t.Errorf("step %d (%s) shows %s: %s", i, p.Steps[i].Name, number, text)
		}
	}
}

// TestPlansNameEveryKeyword: each keyword that config.json may contain leads to a plan with names, not
// only those of the golden plans. x/sys does not have all of them.
func TestPlansNameEveryKeyword(t *testing.T) {
	scheduler := func(policy specs.LinuxSchedulerPolicy, flags ...specs.LinuxSchedulerFlag) func(*specs.Spec) {
		return func(s *specs.Spec) { s.Process.Scheduler = &specs.Scheduler{Policy: policy, Flags: flags, Priority: 1} }
	}
	memory := func(mode specs.MemoryPolicyModeType, nodes string, flags ...specs.MemoryPolicyFlagType) func(*specs.Spec) {
		return func(s *specs.Spec) {
			s.Linux.MemoryPolicy = &specs.LinuxMemoryPolicy{Mode: mode, Nodes: nodes, Flags: flags}
		}
	}
	changes := []func(*specs.Spec){
		scheduler(specs.SchedOther), scheduler(specs.SchedFIFO), scheduler(specs.SchedRR), scheduler(specs.SchedBatch),
		scheduler(specs.SchedISO), scheduler(specs.SchedIdle),
		scheduler(specs.SchedDeadline, specs.SchedFlagResetOnFork, specs.SchedFlagReclaim, specs.SchedFlagDLOverrun,
			specs.SchedFlagKeepPolicy, specs.SchedFlagKeepParams, specs.SchedFlagUtilClampMin, specs.SchedFlagUtilClampMax),
		memory(specs.MpolDefault, ""), memory(specs.MpolLocal, ""), memory(specs.MpolPreferred, "0"),
		memory(specs.MpolBind, "0-1", specs.MpolFNumaBalancing, specs.MpolFStaticNodes),
		memory(specs.MpolInterleave, "0,3", specs.MpolFRelativeNodes), memory(specs.MpolWeightedInterleave, "0"),
		memory(specs.MpolPreferredMany, "0"),
		func(s *specs.Spec) { s.Linux.Personality = &specs.LinuxPersonality{Domain: specs.PerLinux} },
		func(s *specs.Spec) { s.Linux.Personality = &specs.LinuxPersonality{Domain: specs.PerLinux32} },
		func(s *specs.Spec) { s.Process.Capabilities.Bounding = capability.Names[:] },
		func(s *specs.Spec) {
			c := s.Process.Capabilities
			c.Inheritable, c.Ambient = c.Permitted, c.Permitted
		},
	}
	for _, class := range []specs.IOPriorityClass{specs.IOPRIO_CLASS_RT, specs.IOPRIO_CLASS_BE, specs.IOPRIO_CLASS_IDLE} {
		changes = append(changes, func(s *specs.Spec) {
			s.Process.IOPriority = &specs.LinuxIOPriority{Class: class, Priority: 3}
		})
	}
	for _, propagation := range []string{"private", "rprivate", "slave", "rslave", "shared", "rshared", "unbindable",
		"runbindable"} {
		changes = append(changes, func(s *specs.Spec) { s.Linux.RootfsPropagation = propagation })
	}
	for _, option := range spec.MountOptionNames() {
		for _, m := range []specs.Mount{{Type: "tmpfs", Source: "tmpfs"}, {Type: "bind", Source: "/usr"}} {
			if m.Destination = "/mnt"; m.Type == "bind" {
				m.Options = []string{"bind"}
			}
			m.Options = append(m.Options, option)
			changes = append(changes, func(s *specs.Spec) { s.Mounts = append(s.Mounts, m) })
		}
	}
	for n, change := range changes {
		in := inputsOf(t, "default", func(in *Inputs) { change(in.Spec) })
		p, _ := Container(in)
		if checkNames(t, p); t.Failed() {
			t.Fatalf("change %d: %+v", n, in.Spec.Mounts[len(in.Spec.Mounts)-1])
		}
	}
}

// TestPlansDescribeEveryError: each error that a plan expects has a clause in English, which is not the
// text of the C library.
func TestPlansDescribeEveryError(t *testing.T) {
	eachGolden(t, func(t *testing.T, p *plan.Plan, _ Inputs) {
		for i := range p.Steps {
			for _, on := range p.Steps[i].On {
				if text := p.Steps[i].ErrorText(on.Errno); text == on.Errno.Error() {
					t.Errorf("step %d (%s): the error is described as %q", i, p.Steps[i].Name, text)
				}
			}
		}
	})
}
