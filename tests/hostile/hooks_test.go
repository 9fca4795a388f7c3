package hostile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/tests/testbundle"
)

// hostileEnvironment is a possible ENV of an image: a loader that finds ./evil.so in its working
// directory would run it (CVE-2025-23266).
var hostileEnvironment = []string{
	"PATH=/hostile:/bin", "LD_PRELOAD=./evil.so", "LD_LIBRARY_PATH=.", "HOSTILE=1", "BASH_ENV=./hostile", "HOME=/hostile", "GIT_SSH_COMMAND=./hostile",
}

// hostileValues lists the variables of hostileEnvironment in a file to which a program has written
// its environment.
func hostileValues(t *testing.T, file string) (found []string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("the program has not run: %v", err)
	}
	for line := range strings.Lines(string(text)) {
		for _, e := range hostileEnvironment {
			if strings.TrimSpace(line) == e {
				found = append(found, e)
			}
		}
	}
	return found
}

// A hook whose program is on the host gets no variable of the container, whether or not it has an
// environment in config.json. The programs of startContainer hooks are in the container.
func TestHooksDoNotGetTheContainersEnvironment(t *testing.T) {
	kinds := map[string]func(*specs.Hooks) *[]specs.Hook{
		"prestart":        func(h *specs.Hooks) *[]specs.Hook { return &h.Prestart },
		"createRuntime":   func(h *specs.Hooks) *[]specs.Hook { return &h.CreateRuntime },
		"createContainer": func(h *specs.Hooks) *[]specs.Hook { return &h.CreateContainer },
		"poststart":       func(h *specs.Hooks) *[]specs.Hook { return &h.Poststart },
		"poststop":        func(h *specs.Hooks) *[]specs.Hook { return &h.Poststop },
	}
	b := testbundle.New(t)
	b.Env = []string{"OF_THE_CALLER=1"}
	b.Spec.Process.Env = hostileEnvironment
	b.Spec.Hooks = &specs.Hooks{}
	for kind, list := range kinds {
		hook := func(name string, env []string) specs.Hook {
			return specs.Hook{Path: testbundle.Probe, Args: []string{"probe", "environ", filepath.Join(b.Host, kind+name)}, Env: env}
		}
		*list(b.Spec.Hooks) = []specs.Hook{hook("", nil), hook("-own", []string{"OWN=1"}), hook("-naive", hostileEnvironment)}
	}
	b.Spec.Mounts = append(b.Spec.Mounts, specs.Mount{Destination: "/mnt", Source: b.Host, Options: []string{"bind"}})
	b.Spec.Hooks.StartContainer = []specs.Hook{{Path: "/bin/probe", Args: []string{"probe", "environ", "/mnt/startContainer"}}}
	b.Run().Exit(t, 0)
	for kind := range kinds {
		for _, name := range []string{"", "-own"} {
			if found := hostileValues(t, filepath.Join(b.Host, kind+name)); len(found) > 0 {
				t.Errorf("%s%s: the hook has %q of the container", kind, name, found)
			}
		}
		if found := hostileValues(t, filepath.Join(b.Host, kind+"-naive")); len(found) != len(hostileEnvironment) {
			t.Errorf("%s: the check does not see the container's environment: %q", kind, found)
		}
		text, _ := os.ReadFile(filepath.Join(b.Host, kind))
		if of := strings.Contains(string(text), "OF_THE_CALLER=1\n"); of != (kind != "createContainer") {
			t.Errorf("%s: has the environment of minirun's caller: %v: %s", kind, of, text)
		}
	}
	if text, _ := os.ReadFile(filepath.Join(b.Host, "createContainer")); strings.TrimSpace(string(text)) != "" {
		t.Errorf("createContainer: the environment must be empty, as in runc: %s", text)
	}
	if found := hostileValues(t, filepath.Join(b.Host, "startContainer")); len(found) != len(hostileEnvironment) {
		t.Errorf("startContainer: its program is the container's, and has only %q of its environment", found)
	}
}
