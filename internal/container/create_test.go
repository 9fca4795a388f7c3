package container

import (
	"errors"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/spec"
)

// TestCombinationsThatCannotWorkAreRefused: a setting that minirun does not support, or could only apply to the host, is an
// error with its JSON path and is never ignored.
func TestCombinationsThatCannotWorkAreRefused(t *testing.T) {
	noMounts := func(s *specs.Spec) {
		s.Linux.Namespaces, s.Mounts, s.Root.Readonly, s.Process.Terminal = nil, nil, false, false
		s.Linux.MaskedPaths, s.Linux.ReadonlyPaths = nil, nil
	}
	for name, c := range map[string]struct {
		change func(*specs.Spec)
		path   string // "" if it is accepted
	}{
		"as spec writes it":  {func(*specs.Spec) {}, ""},
		"no process":         {func(s *specs.Spec) { s.Process = nil }, "process"},
		"no mount namespace": {noMounts, ""},
		"mounts without one": {func(s *specs.Spec) {
			noMounts(s)
			s.Mounts = []specs.Mount{{Destination: "/proc", Type: "proc"}}
		}, ""},
		"mounts without one, and a user namespace": {func(s *specs.Spec) {
			noMounts(s)
			s.Linux.Namespaces = []specs.LinuxNamespace{{Type: specs.UserNamespace}}
			s.Mounts = []specs.Mount{{Destination: "/proc", Type: "proc"}}
		}, "linux.namespaces"},
		"propagation without one": {func(s *specs.Spec) { noMounts(s); s.Linux.RootfsPropagation = "shared" },
			"linux.namespaces"},
		"die-with-parent where nobody waits": {func(s *specs.Spec) {
			s.Annotations = map[string]string{spec.AnnotationDieWithParent: "true"}
		}, `annotations["dev.minirun.die-with-parent"]`},
	} {
		s := spec.Default(false)
		c.change(s)
		err := checkOptions(s, &Options{}, &purpose{starts: true})
		if setup := namespaces.Decide(s); err == nil && !setup.Has(unix.CLONE_NEWNS) && needsMounts(s, 0) {
			err = checkOnHost(s, false, setup)
		}
		var at *spec.Error
		switch {
		case c.path == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.path != "" && (!errors.As(err, &at) || at.Path != c.path):
			t.Errorf("%s: got %v, want an error about %s", name, err, c.path)
		}
	}
}
