// Package confinement compares minirun's default confinement with Docker's: capabilities, seccomp
// profile, masked and read-only paths, sysctls, devices, namespaces and the kernel's file systems.
// Docker's defaults come from the engine's own package, through the program in the directory moby.
//
// A difference must be declared with its reason. One that is not declared fails
// the test, and so does a declared one that no longer occurs.
package confinement

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Declared maps a difference to its reason. A difference is a line returned by [facts], after "+" if
// only minirun has it, after "-" if only Docker has it. A line that ends in "*" matches all lines
// that begin with it.
type Declared map[string]string

// CompareWithDocker reports every difference between s and the default
// configuration of a Docker container on this machine that is not declared, and
// every declared one that does not occur.
func CompareWithDocker(t *testing.T, s *specs.Spec, declared Declared) {
	t.Helper()
	docker := dockerDefaults(t)
	occurred := map[string]bool{}
	for _, difference := range compare(facts(s), facts(docker)) {
		name := declared.name(difference)
		if name == "" {
			t.Errorf("undeclared difference: %s", difference)
		}
		occurred[name] = true
	}
	for name := range declared {
		if !occurred[name] {
			t.Errorf("declared difference does not occur: %s", name)
		}
	}
}

// name returns the declaration that covers a difference, "" if there is none.
func (d Declared) name(difference string) string {
	for name := range d {
		prefix, wildcard := strings.CutSuffix(name, "*")
		if name == difference || wildcard && strings.HasPrefix(difference, prefix) {
			return name
		}
	}
	return ""
}

// compare returns the lines that only one of two sets has.
func compare(minirun, docker []string) (differences []string) {
	for _, f := range minirun {
		if !slices.Contains(docker, f) {
			differences = append(differences, "+"+f)
		}
	}
	for _, f := range docker {
		if !slices.Contains(minirun, f) {
			differences = append(differences, "-"+f)
		}
	}
	return differences
}

// oracle runs the program in moby once, because it must be compiled.
var oracle = sync.OnceValues(func() ([]byte, error) {
	cmd := exec.Command("go", "run", ".")
	cmd.Dir = oracleDir()
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	cmd.Stderr = os.Stderr
	return cmd.Output()
})

func oracleDir() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "moby")
}

func dockerDefaults(t *testing.T) *specs.Spec {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("needs go: Docker's defaults come from a program that is compiled here")
	}
	if _, err := os.Stat(oracleDir()); err != nil {
		t.Skipf("needs the source tree: %v", err)
	}
	text, err := oracle()
	if err != nil {
		t.Fatalf("Docker's defaults: go run in tests/confinement/moby: %v", err)
	}
	var s specs.Spec
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	return &s
}

// facts returns the parts of a configuration that confine a container, one per line.
func facts(s *specs.Spec) (out []string) {
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if c := s.Process.Capabilities; c != nil {
		for name, set := range map[string][]string{
			"bounding": c.Bounding, "effective": c.Effective, "inheritable": c.Inheritable, "permitted": c.Permitted, "ambient": c.Ambient,
		} {
			for _, capability := range set {
				add("capability %s: %s", capability, name)
			}
		}
	}
	if s.Process.NoNewPrivileges {
		add("noNewPrivileges")
	}
	if s.Root != nil && s.Root.Readonly {
		add("read-only root")
	}
	for _, l := range s.Process.Rlimits {
		add("rlimit %s: %d, %d", l.Type, l.Soft, l.Hard)
	}
	for _, p := range s.Linux.MaskedPaths {
		add("masked %s", p)
	}
	for _, p := range s.Linux.ReadonlyPaths {
		add("read-only %s", p)
	}
	for key, value := range s.Linux.Sysctl {
		add("sysctl %s=%s", key, value)
	}
	for _, n := range s.Linux.Namespaces {
		add("namespace %s", n.Type)
	}
	out = append(out, deviceFacts(s)...)
	out = append(out, mountFacts(s)...)
	out = append(out, seccompFacts(s.Linux.Seccomp)...)
	slices.Sort(out)
	return slices.Compact(out)
}

func deviceFacts(s *specs.Spec) (out []string) {
	for _, d := range s.Linux.Devices {
		out = append(out, fmt.Sprintf("device %s: %s %d:%d", d.Path, d.Type, d.Major, d.Minor))
	}
	if s.Linux.Resources == nil {
		return out
	}
	number := func(n *int64) string {
		if n == nil {
			return "*"
		}
		return fmt.Sprint(*n)
	}
	for _, d := range s.Linux.Resources.Devices {
		out = append(out, fmt.Sprintf("device rule: allow=%t %s %s:%s %s", d.Allow, d.Type, number(d.Major), number(d.Minor), d.Access))
	}
	return out
}

// mountFacts returns the kernel's file systems with their options. Other mounts, such as /etc/hosts,
// are not defaults but belong to a single container.
func mountFacts(s *specs.Spec) (out []string) {
	for _, m := range s.Mounts {
		if top := strings.Split(m.Destination, "/")[1]; !slices.Contains([]string{"dev", "proc", "sys"}, top) {
			continue
		}
		out = append(out, fmt.Sprintf("mount %s: type %s from %s", m.Destination, m.Type, m.Source))
		for _, o := range m.Options {
			out = append(out, fmt.Sprintf("mount %s: %s", m.Destination, o))
		}
	}
	return out
}

// seccompFacts returns the rules of a profile, one for each system call.
func seccompFacts(p *specs.LinuxSeccomp) (out []string) {
	if p == nil {
		return nil
	}
	errno := func(n *uint) string {
		if n == nil {
			return ""
		}
		return fmt.Sprintf(" errno %d", *n)
	}
	out = append(out, fmt.Sprintf("seccomp default: %s%s", p.DefaultAction, errno(p.DefaultErrnoRet)))
	for _, a := range p.Architectures {
		out = append(out, fmt.Sprintf("seccomp architecture: %s", a))
	}
	for _, f := range p.Flags {
		out = append(out, fmt.Sprintf("seccomp flag: %s", f))
	}
	for _, rule := range p.Syscalls {
		for _, name := range rule.Names {
			out = append(out, fmt.Sprintf("seccomp %s: %s%s%s", name, rule.Action, errno(rule.ErrnoRet), arguments(rule.Args)))
		}
	}
	return out
}

func arguments(args []specs.LinuxSeccompArg) (text string) {
	for _, a := range args {
		text += fmt.Sprintf(" if argument %d %s %d", a.Index, a.Op, a.Value)
		if a.Op == specs.OpMaskedEqual {
			text += fmt.Sprintf(" is %d", a.ValueTwo)
		}
	}
	return text
}
