package e2e

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go/features"

	"github.com/minirun/minirun/tests/testbundle"
)

func TestFeaturesIncludeThoseOfRunc(t *testing.T) {
	b := testbundle.New(t)
	r := b.Minirun("features")
	r.Exit(t, 0)
	var f features.Features
	if err := json.Unmarshal([]byte(r.Stdout), &f); err != nil {
		t.Fatal(err)
	}
	if f.Linux == nil || f.Linux.Cgroup == nil || !*f.Linux.Cgroup.V1 || f.Annotations["dev.minirun.version"] == "" {
		t.Errorf("%s", r.Stdout)
	}
	b.Minirun("features", "x").Fails(t, `unexpected argument "x"`)

	// minirun has every feature of the runc on this machine, because engines check for them.
	var theirs features.Features
	if err := json.Unmarshal([]byte(runcBeside(t).run(t, "features")), &theirs); err != nil {
		t.Skip("this runc has no features: ", err)
	}
	for _, c := range []struct {
		what        string
		ours, runcs []string
	}{
		{"hooks", f.Hooks, theirs.Hooks},
		{"mount options", f.MountOptions, theirs.MountOptions},
		{"namespaces", f.Linux.Namespaces, theirs.Linux.Namespaces},
		{"capabilities", f.Linux.Capabilities, theirs.Linux.Capabilities},
		{"seccomp actions", f.Linux.Seccomp.Actions, theirs.Linux.Seccomp.Actions},
		{"seccomp operators", f.Linux.Seccomp.Operators, theirs.Linux.Seccomp.Operators},
		{"seccomp architectures", f.Linux.Seccomp.Archs, theirs.Linux.Seccomp.Archs},
	} {
		for _, name := range c.runcs {
			if !slices.Contains(c.ours, name) {
				t.Errorf("%s: runc has %s", c.what, name)
			}
		}
	}
}
