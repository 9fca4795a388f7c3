package compile

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/rootfs"
	"github.com/minirun/minirun/internal/seccomp"
	"github.com/minirun/minirun/internal/spec"
)

// Golden plans: testdata/golden/NAME.json is a config.json, and NAME.plan is the list of system
// calls that minirun makes from it, as printed by `minirun plan`. They exist to be read and to
// show every change of behaviour in a review. default.plan is the whole text; another file begins with
// "base: OTHER.plan" and has the difference from that plan, in the notation of package golden.
//
//	go test ./internal/container/compile -run TestGolden/paths -v -print   prints the whole plan
//	go test ./internal/container/compile -run TestGolden -update           writes the files again
//
// To choose another base, edit the first line and use -update. The host is not used: all other inputs
// of a plan are fixed below. The texts are therefore the same on every machine and architecture.

// goldenCases lists the files, and the differences from the host that inputsOf simulates: a bundle
// in /bundle on cgroup v1, prepared by root for `run`.
var goldenCases = []struct {
	name string
	host func(*Inputs)
}{
	{"default", cgroup1},       // written by `minirun spec`
	{"rootless", rootlessOnV2}, // written by `minirun spec --rootless`
	{"userns", noChange},       // a user namespace, created with privileges
	{"joined", noChange},       // namespaces given by path, including the mount namespace
	{"joinedpid", noChange},    // a PID and a user namespace given by path
	{"joinedpid-last", func(in *Inputs) { in.Namespaces.CloneLast = true }},
	{"netdevices", noChange}, // the host's network devices, and a sysctl of one of them
	{"time", noChange},       // a time namespace with offsets
	{"mounts", noChange},     // every kind of mount
	{"layers", layers("/bundle/base", "/bundle/app")},
	{"layers-kept", keptLayers}, // writes are kept; in a user namespace
	{"layers-old", oldOverlay(layers("/bundle/base", "/bundle/app"))},
	{"layers-old-userns", oldOverlay(keptLayers)},
	{"cgroup1", cgroup1},           // bind mounts of the container's cgroups
	{"cgroup1-namespace", cgroup1}, // cgroup mounts in a cgroup namespace
	{"cgroup2", cgroup2},
	{"cgroup2-namespace", cgroup2},
	{"scope", func(in *Inputs) { // systemd creates the cgroup for the process
		cgroup2(in)
		in.Scope = true
	}},
	{"terminal", noChange},
	{"devices", noChange},
	{"devices-userns", noChange}, // created by the parent
	{"paths", noChange},          // masked and read-only paths, read-only root, a cwd that must be created
	{"seccomp", noChange},        // without no_new_privs, therefore loaded early
	{"seccomp-notify", noChange}, // with no_new_privs, therefore loaded late; and a listener
	{"shared", func(in *Inputs) { in.Rootfs.ParentMnt = "/" }},
	{"nopivot", func(in *Inputs) { in.Rootfs.NoPivot, in.Rootfs.HostMounts = true, []string{"/proc", "/sys"} }},
	{"hooks", noChange},
	{"user", func(in *Inputs) { // IDs, capabilities, limits, scheduling; pipes of another user
		in.Process.PipeModes = [3]uint32{0o644, 0o622, 0}
	}},
	{"die-with-parent", func(in *Inputs) { in.Process.DieWithParent = true }}, // after the change of user, before Ready
	{"create", func(in *Inputs) { // `create`, and systemd's sockets passed on
		in.Process.Waits, in.Process.Preserve, in.Process.Listen = true, 2, 2
		in.Rootfs.NullStdio = [3]bool{true, false, false}
	}},
	{"init", func(in *Inputs) { in.Process.Init = true }},    // with a terminal
	{"hostmounts", noChange},                                 // no mount namespace
	{"onhost", func(in *Inputs) { in.Rootfs.OnHost = true }}, // no mount namespace, but mounts
}

// execCases lists the plans of `exec`, each in a container with another case's config.json and
// process.
var execCases = []struct {
	name, config string
	change       func(*ExecInputs)
}{
	{"exec", "default", func(in *ExecInputs) {
		in.Cgroups = []string{"/sys/fs/cgroup/memory/box/tasks", "/sys/fs/cgroup/pids/box/tasks"}
	}},
	{"exec-userns", "userns", func(in *ExecInputs) { // limits are set from outside
		in.Spec.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 100, Hard: 200}}
	}},
	{"exec-terminal", "terminal", func(*ExecInputs) {}},
	{"exec-user", "user", func(in *ExecInputs) { // also settings that are sent before the process is inside
		p := in.Spec.Process
		p.OOMScoreAdj, p.ExecCPUAffinity = new(int), &specs.CPUAffinity{Initial: "0", Final: "1-2"}
		p.ApparmorProfile, p.SelinuxLabel = "profile", "label"
		in.Process.AppArmor, in.Process.SELinux = true, true
	}},
	{"exec-seccomp", "seccomp-notify", func(*ExecInputs) {}},
	// the root is joined, and there is no mount namespace
	{"exec-hostmounts", "hostmounts", func(*ExecInputs) {}},
	// the kernel requires the user namespace first
	{"exec-rootless", "rootless", func(in *ExecInputs) { in.Process.Rootless = true }},
	{"exec-shared", "default", func(in *ExecInputs) { in.Namespaces &^= unix.CLONE_NEWPID }}, // no clone is needed
}

// execInputsOf returns the inputs of an execCase.
func execInputsOf(t testing.TB, config string, change func(*ExecInputs)) ExecInputs {
	t.Helper()
	base := inputsOf(t, config, noChange)
	s, setup := base.Spec, namespaces.Decide(base.Spec)
	s.Hooks = nil
	in := ExecInputs{Spec: s, Process: base.Process, Pid: 4321, Namespaces: setup.New}
	for _, j := range setup.Joins {
		in.Namespaces |= j.Flag
	}
	change(&in)
	in.Process.Unasked = in.Process.Rlimits || len(s.Process.Rlimits) == 0
	s.Process.Env = append(s.Process.Env, "HOME=/root")
	return in
}

func noChange(*Inputs) {}

func cgroup1(in *Inputs) {
	const at = "/sys/fs/cgroup/"
	in.Cgroups = []string{at + "memory/box/tasks", at + "cpu,cpuacct/box/tasks"}
	in.Rootfs.Cgroup = []rootfs.Cgroup{
		{Controller: "memory", Name: "memory", Dir: at + "memory/box"},
		{Controller: "cpu,cpuacct", Name: "cpu,cpuacct", Dir: at + "cpu,cpuacct/box",
			Aliases: []string{"cpu", "cpuacct"}},
	}
}

func cgroup2(in *Inputs) {
	in.Rootfs.Cgroup = []rootfs.Cgroup{{Dir: "/sys/fs/cgroup/box"}}
}

func rootlessOnV2(in *Inputs) {
	cgroup2(in)
	in.Rootfs.Rootless, in.Process.Rootless, in.Namespaces.Rootless = true, true, true
}

func layers(dirs ...string) func(*Inputs) {
	return func(in *Inputs) {
		for _, dir := range dirs {
			in.Rootfs.Layers = append(in.Rootfs.Layers,
				rootfs.Layer{Path: dir, Source: `annotations["dev.minirun.layers"]`})
		}
		in.Rootfs.Upper, in.Rootfs.Work = "/run/minirun/box/upper", "/run/minirun/box/work"
	}
}

func keptLayers(in *Inputs) {
	layers("/bundle/base")(in)
	in.Rootfs.Upper, in.Rootfs.Work, in.Rootfs.Stable = "/bundle/changes", "/bundle/.changes.work", true
}

func oldOverlay(host func(*Inputs)) func(*Inputs) {
	return func(in *Inputs) {
		host(in)
		in.Rootfs.OldOverlay = true
	}
}

// inputsOf returns the inputs of a golden plan. A bind source is a file if its name contains a dot,
// otherwise a directory.
func inputsOf(t testing.TB, name string, host func(*Inputs)) Inputs {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "testdata", "golden", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	s, _, err := spec.Parse(data)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	in := Inputs{Spec: s}
	in.Rootfs.Bundle, in.Rootfs.Root = "/bundle", "/bundle/rootfs"
	in.Rootfs.SourceKind = func(i int) rootfs.Kind {
		switch source := s.Mounts[i].Source; {
		case strings.HasPrefix(source, in.Rootfs.Root):
			return rootfs.Undecided
		case strings.Contains(source, "."):
			return rootfs.File
		}
		return rootfs.Directory
	}
	in.Process.ID, in.Process.LastCapability = "box", 40
	in.Process.Rlimits = !hasUserNamespace(s)
	if s.Linux.Seccomp != nil {
		// Fixed, because the length of the filter depends on the architecture.
		if in.Process.Seccomp, err = seccomp.Compile(s.Linux.Seccomp, specs.ArchX86_64); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	host(&in)
	return in
}

func hasUserNamespace(s *specs.Spec) bool {
	for _, n := range s.Linux.Namespaces {
		if n.Type == specs.UserNamespace {
			return true
		}
	}
	return false
}

// eachGolden calls f for every golden plan.
func eachGolden(t *testing.T, f func(t *testing.T, p *plan.Plan, in Inputs)) {
	t.Helper()
	for _, c := range goldenCases {
		t.Run(c.name, func(t *testing.T) {
			in := inputsOf(t, c.name, c.host)
			p, _ := Container(in)
			f(t, p, in)
		})
	}
	for _, c := range execCases {
		t.Run(c.name, func(t *testing.T) {
			in := execInputsOf(t, c.config, c.change)
			f(t, Exec(in), Inputs{Spec: in.Spec, Process: in.Process, Cgroups: in.Cgroups})
		})
	}
}

// goldenTexts returns the plan of every case, by name.
func goldenTexts(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	for _, c := range goldenCases {
		p, setup := Container(inputsOf(t, c.name, c.host))
		texts[c.name] = goldenText(t, p, setup)
	}
	for _, c := range execCases {
		texts[c.name] = goldenText(t, Exec(execInputsOf(t, c.config, c.change)), namespaces.Setup{})
	}
	return texts
}

// goldenText formats the whole plan: how its process is created, the steps, and the files that the
// parent opens for it.
func goldenText(t *testing.T, p *plan.Plan, setup namespaces.Setup) string {
	t.Helper()
	var out bytes.Buffer
	if err := p.Head(&out, setup.Cloneflags()); err != nil {
		t.Fatal(err)
	}
	if err := p.Text(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestCompileIsPure: the same inputs always give the same bytes.
func TestCompileIsPure(t *testing.T) {
	for _, c := range goldenCases {
		var first []byte
		for range 5 {
			p, _ := Container(inputsOf(t, c.name, c.host))
			image, err := p.Encode()
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			if first == nil {
				first = image
			}
			if !bytes.Equal(image, first) {
				t.Errorf("%s: two plans of the same inputs differ", c.name)
			}
		}
	}
}
