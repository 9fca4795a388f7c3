package container

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/container/features"
	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/seccomp"
	"github.com/minirun/minirun/internal/spec"
)

// validateChanged returns the error of those checks of a config.json that do not depend on the host.
func validateChanged(change func(*specs.Spec)) error {
	s := spec.Default(false)
	change(s)
	data, err := spec.Compact(s)
	if err == nil {
		_, _, err = spec.Parse(data)
	}
	return errors.Join(err, checkOptions(s, &Options{}, &purpose{starts: true}))
}

// TestFeatures: config.json may contain everything that the document lists as recognised, and
// anything else is refused.
func TestFeatures(t *testing.T) {
	f := features.Features("1", "c")
	try := func(what string, names []string, change func(s *specs.Spec, name string)) {
		t.Helper()
		if len(names) == 0 {
			t.Errorf("%s: none", what)
		}
		for _, name := range names {
			if err := validateChanged(func(s *specs.Spec) { change(s, name) }); err != nil {
				t.Errorf("%s: %s: %v", what, name, err)
			}
		}
		if err := validateChanged(func(s *specs.Spec) { change(s, "NO_SUCH_WORD") }); err == nil && what != "capabilities" {
			t.Errorf("%s: takes any word", what)
		}
	}
	l := f.Linux
	try("versions", []string{f.OCIVersionMin, f.OCIVersionMax}, func(s *specs.Spec, name string) { s.Version = name })
	try("namespaces", l.Namespaces, func(s *specs.Spec, name string) {
		s.Linux.Namespaces = append(slices.DeleteFunc(s.Linux.Namespaces,
			func(n specs.LinuxNamespace) bool { return string(n.Type) == name }),
			specs.LinuxNamespace{Type: specs.LinuxNamespaceType(name)})
		if name == "user" {
			maps := []specs.LinuxIDMapping{{Size: 1}}
			s.Linux.UIDMappings, s.Linux.GIDMappings = maps, maps
		}
	})
	try("capabilities", l.Capabilities, func(s *specs.Spec,
		name string) {
		s.Process.Capabilities.Bounding = []string{name}
	})
	filter := func(change func(*specs.LinuxSeccomp, string)) func(*specs.Spec, string) {
		return func(s *specs.Spec, name string) {
			p := &specs.LinuxSeccomp{DefaultAction: specs.ActAllow,
				Syscalls: []specs.LinuxSyscall{{Names: []string{"mkdir"}, Action: specs.ActErrno}}}
			change(p, name)
			s.Linux.Seccomp = p
			if _, err := seccomp.Compile(p, seccomp.NativeArch()); err != nil &&
				!strings.Contains(err.Error(), "byte order") {
				s.Version = err.Error() // refused: the version is invalid
			}
		}
	}
	try("seccomp actions", l.Seccomp.Actions, filter(func(p *specs.LinuxSeccomp, name string) {
		p.Syscalls[0].Action, p.ListenerPath = specs.LinuxSeccompAction(name), "/agent"
	}))
	try("seccomp operators", l.Seccomp.Operators, filter(func(p *specs.LinuxSeccomp, name string) {
		p.Syscalls[0].Args = []specs.LinuxSeccompArg{{Op: specs.LinuxSeccompOperator(name)}}
	}))
	try("seccomp archs", l.Seccomp.Archs, filter(func(p *specs.LinuxSeccomp,
		name string) {
		p.Architectures = []specs.Arch{specs.Arch(name)}
	}))
	try("seccomp flags", l.Seccomp.KnownFlags, filter(func(p *specs.LinuxSeccomp, name string) {
		p.Flags = []specs.LinuxSeccompFlag{specs.LinuxSeccompFlag(name)}
	}))
	try("memory policy modes", l.MemoryPolicy.Modes, func(s *specs.Spec, name string) {
		s.Linux.MemoryPolicy = &specs.LinuxMemoryPolicy{Mode: specs.MemoryPolicyModeType(name)}
		if name != string(specs.MpolDefault) && name != string(specs.MpolLocal) {
			s.Linux.MemoryPolicy.Nodes = "0"
		}
	})
	try("memory policy flags", l.MemoryPolicy.Flags, func(s *specs.Spec, name string) {
		s.Linux.MemoryPolicy = &specs.LinuxMemoryPolicy{Mode: specs.MpolBind, Nodes: "0",
			Flags: []specs.MemoryPolicyFlagType{specs.MemoryPolicyFlagType(name)}}
	})
	for _, name := range l.Seccomp.SupportedFlags {
		if !slices.Contains(l.Seccomp.KnownFlags, name) {
			t.Errorf("%s is supported and not known", name)
		}
	}
	for _, word := range f.MountOptions {
		if o, err := spec.ParseMountOptions([]string{word}); err != nil || len(o.Data) > 0 {
			t.Errorf("mount option %s: goes to the file system: %+v, %v", word, o, err)
		}
	}
	for _, name := range l.Capabilities {
		if _, ok := spec.Capability(name); !ok {
			t.Errorf("%s is not known", name)
		}
	}
}

// TestFeaturesHooks: the list contains exactly the hook kinds of specs-go, and each of them is
// checked.
func TestFeaturesHooks(t *testing.T) {
	names := features.Features("", "").Hooks
	kinds := reflect.TypeOf(specs.Hooks{})
	if len(names) != kinds.NumField() {
		t.Errorf("%d kinds of hooks, the specification has %d", len(names), kinds.NumField())
	}
	for i := range kinds.NumField() {
		name, _, _ := strings.Cut(kinds.Field(i).Tag.Get("json"), ",")
		if !slices.Contains(names, name) {
			t.Errorf("hook %s is not listed", name)
		}
		err := validateChanged(func(s *specs.Spec) {
			s.Hooks = &specs.Hooks{}
			reflect.ValueOf(s.Hooks).Elem().Field(i).Set(reflect.ValueOf([]specs.Hook{{Path: "relative"}}))
		})
		if err == nil || !strings.Contains(err.Error(), "hooks."+name+"[0].path") {
			t.Errorf("hook %s is not read: %v", name, err)
		}
	}
}

// TestFeaturesHasNoGap: every Linux field of the document is set, and correct.
func TestFeaturesHasNoGap(t *testing.T) {
	var look func(path string, v reflect.Value)
	look = func(path string, v reflect.Value) {
		switch {
		case v.Kind() == reflect.Pointer && v.IsNil(), v.Kind() == reflect.Slice && v.Len() == 0:
			t.Errorf("%s is not in the document", path)
		case v.Kind() == reflect.Pointer:
			look(path, v.Elem())
		case v.Kind() == reflect.Bool && !v.Bool():
			t.Errorf("%s is false", path)
		case v.Kind() == reflect.Struct:
			for i := range v.NumField() {
				look(path+"."+v.Type().Field(i).Name, v.Field(i))
			}
		}
	}
	look("linux", reflect.ValueOf(features.Features("1", "c").Linux))
}

// TestFeaturesRefused: features that the document says are missing are refused, and those that it
// says are present are not.
func TestFeaturesRefused(t *testing.T) {
	l := features.Features("", "").Linux
	for _, c := range []struct {
		what   string
		has    *bool
		change func(*specs.Spec)
	}{
		{"intelRdt", l.IntelRdt.Enabled, func(s *specs.Spec) { s.Linux.IntelRdt = &specs.LinuxIntelRdt{ClosID: "x"} }},
		{"intelRdt monitoring", l.IntelRdt.Monitoring,
			func(s *specs.Spec) { s.Linux.IntelRdt = &specs.LinuxIntelRdt{EnableMonitoring: true} }},
		{"intelRdt schemata", l.IntelRdt.Schemata,
			func(s *specs.Spec) { s.Linux.IntelRdt = &specs.LinuxIntelRdt{Schemata: []string{"L3:0=f"}} }},
		{"netDevices", l.NetDevices.Enabled,
			func(s *specs.Spec) { s.Linux.NetDevices = map[string]specs.LinuxNetDevice{"eth0": {}} }},
		{"apparmor", l.Apparmor.Enabled, func(s *specs.Spec) { s.Process.ApparmorProfile = "x" }},
		{"selinux", l.Selinux.Enabled, func(s *specs.Spec) { s.Process.SelinuxLabel = "a:b:c:d" }},
		{"id-mapped mounts", l.MountExtensions.IDMap.Enabled, func(s *specs.Spec) {
			ids := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 1000, Size: 1}}
			s.Mounts = append(s.Mounts, specs.Mount{Destination: "/x", Source: "/x", Options: []string{"bind", "idmap"},
				UIDMappings: ids, GIDMappings: ids})
		}},
	} {
		if err := validateChanged(c.change); (err == nil) != *c.has {
			t.Errorf("%s: the document says %v, config.json with it: %v", c.what, *c.has, err)
		}
	}
	if !*l.Cgroup.Systemd || !*l.Cgroup.SystemdUser {
		t.Error("the document says that there is no --systemd-cgroup, which tests/e2e uses") // TestSystemd
	}
}

// TestFeaturesNamespaces: the plan creates each namespace in the list.
func TestFeaturesNamespaces(t *testing.T) {
	for _, name := range features.Features("", "").Linux.Namespaces {
		flag, ok := spec.NamespaceFlag(specs.LinuxNamespaceType(name))
		s := &specs.Spec{Linux: &specs.Linux{Namespaces: []specs.LinuxNamespace{{Type: specs.LinuxNamespaceType(
			name)}}}}
		if !ok || !namespaces.Decide(s).Has(flag) {
			t.Errorf("%s: %v", name, fmt.Sprintf("flag %#x is not among those made", flag))
		}
	}
}
