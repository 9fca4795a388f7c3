package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/tests/testbundle"
)

// shellHook returns a hook that runs a script with the host's shell, or with the container's shell if
// the hook runs inside after pivot_root.
func shellHook(script string) specs.Hook {
	return specs.Hook{Path: "/bin/sh", Args: []string{"sh", "-c", script}, Env: []string{"PATH=/usr/bin:/bin"}}
}

// report writes the name, the hook's own namespaces and the state to a file of the host.
func report(file, name string) specs.Hook {
	return shellHook(fmt.Sprintf(`{ echo "%s"; readlink /proc/self/ns/mnt; cat; echo; echo end; } >> %s`, name, file))
}

// TestHooksRunInOrderInTheirNamespaces: each kind of hook runs once, in order, in its namespaces, with
// the state that the specification requires.
func TestHooksRunInOrderInTheirNamespaces(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh("echo program >> /host/log; echo end >> /host/log"))
	log := filepath.Join(b.Host, "log")
	addMount(specs.Mount{Destination: "/host", Source: b.Host, Options: []string{"bind"}})(b.Spec)
	inside := report("/host/log", "startContainer")
	b.Spec.Annotations = map[string]string{"org.example": "value"}
	b.Spec.Hooks = &specs.Hooks{
		Prestart:        []specs.Hook{report(log, "prestart")},
		CreateRuntime:   []specs.Hook{report(log, "createRuntime 0"), report(log, "createRuntime 1")},
		CreateContainer: []specs.Hook{report(log, "createContainer")},
		StartContainer:  []specs.Hook{inside},
		Poststart:       []specs.Hook{shellHook("sleep 0.3"), report(log, "poststart")},
		Poststop:        []specs.Hook{report(log, "poststop")},
	}
	b.Run().Exit(t, 0)
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(strings.TrimSuffix(string(text), "end\n"), "end\n")
	order := []struct {
		name, status string
		hostMount    bool
	}{
		{"prestart", "created", true}, {"createRuntime 0", "creating", true}, {"createRuntime 1", "creating", true},
		{"createContainer", "creating", false}, {"startContainer", "created", false},
		{"program", "", false}, {"poststart", "running", true}, {"poststop", "stopped", true},
	}
	if len(blocks) != len(order) {
		t.Fatalf("%d reports, want %d:\n%s", len(blocks), len(order), text)
	}
	host := testbundle.Namespace("self", "mnt")
	pid := 0
	for i, want := range order {
		lines := strings.Split(blocks[i], "\n")
		if lines[0] != want.name {
			t.Errorf("report %d is of %q, want %q", i, lines[0], want.name)
			continue
		}
		if want.status == "" {
			continue
		}
		if (lines[1] == host) != want.hostMount {
			t.Errorf("%s: in the host's mount namespace: %v", want.name, lines[1] == host)
		}
		if len(lines) < 3 {
			t.Errorf("report %d: %q", i, blocks[i])
			continue
		}
		var state specs.State
		if err := json.Unmarshal([]byte(lines[2]), &state); err != nil {
			t.Errorf("%s: its input is %q: %v", want.name, lines[2], err)
			continue
		}
		if state.ID != b.ID || string(state.Status) != want.status || state.Bundle != b.Dir || state.Annotations["org.example"] != "value" || state.Version == "" {
			t.Errorf("%s: state %+v, want status %s", want.name, state, want.status)
		}
		switch {
		case want.status == "stopped" && state.Pid != 0:
			t.Errorf("%s: pid %d", want.name, state.Pid)
		case !want.hostMount && state.Pid != 1:
			t.Errorf("%s: pid %d, want that of the container's PID namespace, 1", want.name, state.Pid)
		case want.hostMount && want.status != "stopped" && pid != 0 && state.Pid != pid:
			t.Errorf("%s: pid %d, before it was %d", want.name, state.Pid, pid)
		case want.hostMount && want.status != "stopped":
			pid = state.Pid
		}
	}
}

// createContainer sees the host's files (it runs before pivot_root), and startContainer sees the
// container's.
func TestHooksSeeTheirRoot(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh("cat /tmp/*"), testbundle.Writable)
	marker := filepath.Join(b.Host, "marker")
	if err := os.WriteFile(marker, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	b.Spec.Hooks = &specs.Hooks{
		CreateContainer: []specs.Hook{shellHook(fmt.Sprintf("[ -e %s ] && echo host > %s", marker, b.Path("/tmp/1")))},
		StartContainer:  []specs.Hook{shellHook(fmt.Sprintf("[ -e %s ] || /bin/busybox echo container > /tmp/2", marker))},
	}
	b.Run().Prints(t, "host\ncontainer")
}

// The environment of a hook is exactly that of config.json; it has no variables of minirun.
func TestHookEnvironment(t *testing.T) {
	for _, kind := range []string{"createRuntime", "createContainer"} {
		t.Run(kind, func(t *testing.T) {
			b := testbundle.New(t)
			out := filepath.Join(b.Host, "env")
			h := specs.Hook{Path: testbundle.Probe, Args: []string{"probe", "environ", out}, Env: []string{"A=b"}}
			b.Env = []string{"LEAK=1"}
			b.Spec.Hooks = &specs.Hooks{}
			if kind == "createRuntime" {
				b.Spec.Hooks.CreateRuntime = []specs.Hook{h}
			} else {
				b.Spec.Hooks.CreateContainer = []specs.Hook{h}
			}
			b.Run().Exit(t, 0)
			text, _ := os.ReadFile(out)
			if string(text) != "A=b\n" {
				t.Errorf("environment: %s", text)
			}
		})
	}
}

// The working directory of a hook that runs on the host is the bundle, as in runc.
func TestHookRunsInTheBundle(t *testing.T) {
	b := testbundle.New(t)
	b.Spec.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{shellHook("pwd > " + b.Host + "/pwd")}}
	b.Run().Exit(t, 0)
	if text, _ := os.ReadFile(filepath.Join(b.Host, "pwd")); string(text) != b.Dir+"\n" {
		t.Errorf("the hook's working directory is %q, want the bundle", text)
	}
}

// A hook that fails stops the container, and its output is in the message; later hooks do not run. A
// failure of poststop is only a warning.
func TestFailedHookStopsTheContainer(t *testing.T) {
	one := 1
	for _, kind := range []string{"prestart", "createRuntime", "createContainer", "startContainer", "poststart"} {
		for _, c := range []struct {
			name  string
			hook  specs.Hook
			words []string
		}{
			{"exit status", shellHook("echo the reason >&2; exit 3"), []string{"exit status 3", "the reason"}},
			{"signal", shellHook("kill -9 $$"), []string{"killed"}},
			{"timeout", specs.Hook{Path: "/bin/sleep", Args: []string{"sleep", "60"}, Timeout: &one}, []string{"timeout of 1 s"}},
			{"missing", specs.Hook{Path: "/no/such/hook"}, []string{"/no/such/hook", "no such file"}},
		} {
			t.Run(kind+" "+c.name, func(t *testing.T) {
				testbundle.Parallel(t)
				b := testbundle.New(t, testbundle.Sh("echo ran > /host/ran; exec sleep 1000"))
				addMount(specs.Mount{Destination: "/host", Source: b.Host, Options: []string{"bind"}})(b.Spec)
				b.Spec.Hooks = &specs.Hooks{}
				after := shellHook("echo > /host/later; echo > " + b.Host + "/later")
				setHooks(b.Spec.Hooks, kind, c.hook, after)
				begin := time.Now()
				b.Run().Fails(t, append(c.words, "config.json: hooks."+kind+"[0]")...)
				if took := time.Since(begin); took > 20*time.Second {
					t.Errorf("it took %v", took)
				}
				if _, err := os.Stat(filepath.Join(b.Host, "later")); err == nil {
					t.Error("the next hook ran all the same")
				}
				if _, err := os.Stat(filepath.Join(b.Host, "ran")); err == nil && kind != "poststart" {
					t.Error("the program ran all the same")
				}
			})
		}
	}
}

func TestPoststopFailureIsAWarning(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh("exit 5"))
	b.Spec.Hooks = &specs.Hooks{Poststop: []specs.Hook{shellHook("exit 1"), shellHook("touch " + b.Host + "/second")}}
	b.Run().Exit(t, 5)
	if _, err := os.Stat(filepath.Join(b.Host, "second")); err != nil {
		t.Error("the second poststop hook did not run")
	}
}

// A hook may start a daemon that keeps the hook's output open.
func TestHookWithDaemon(t *testing.T) {
	b := testbundle.New(t)
	b.Spec.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{shellHook("sleep 8 & echo $! > " + b.Host + "/pid")}}
	begin := time.Now()
	b.Run().Exit(t, 0)
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("minirun waited %v for the hook's daemon", took)
	}
	text, _ := os.ReadFile(filepath.Join(b.Host, "pid"))
	pid := 0
	if _, err := fmt.Sscan(string(text), &pid); err == nil {
		p, _ := os.FindProcess(pid)
		_ = p.Kill()
		reap(pid)
	}
}

// A mount that a createRuntime hook makes in the container's mount namespace is there.
func TestHookThatMounts(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh("cat /mnt/file"))
	if err := os.WriteFile(filepath.Join(b.Host, "file"), []byte("mounted by a hook\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	b.Spec.Hooks = &specs.Hooks{CreateContainer: []specs.Hook{shellHook("mount --bind " + b.Host + " " + b.Path("/mnt"))}}
	b.Run().Prints(t, "mounted by a hook")
}
