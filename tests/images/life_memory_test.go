package images

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/tests/testbundle"
)

// TestOutOfMemoryIsReported: run, ps and inspect say that the kernel killed a program at its limit.
func TestOutOfMemoryIsReported(t *testing.T) {
	s := loaded(t, runs("tail", "/dev/zero"))
	id := name("oom")
	r := s.Minirun("run", "--name", id, "-m", "24m", "busybox")
	if r.Exit(t, 137); !strings.Contains(r.Stderr, "out of memory: the kernel killed a process at the limit of 24MiB") ||
		!strings.Contains(r.Stderr, "hint: raise its limit with -m") {
		t.Errorf("run: %s", r.Stderr)
	}
	shown := func() {
		t.Helper()
		if got := s.state(id); got.End == nil || !got.End.OOMKilled || got.End.Status != 137 {
			t.Errorf("%+v", got)
		}
		if ps, inspect := s.Do("ps", "-a"), s.Do("inspect", id); !strings.Contains(ps, "Exited (137), out of memory") ||
			!strings.Contains(inspect, "24MiB") {
			t.Errorf("%s\n%s", ps, inspect)
		}
	}
	shown()
	s.Do("start", id)
	s.Do("wait", id)
	shown()
	s.Do("rm", id)
	// A program that SIGKILL ends for another reason, and one that fails.
	r = s.Minirun("run", "--name", id, "-m", "24m", "busybox", "sh", "-c", "kill -9 $$; exit 137")
	if r.Exit(t, 137); strings.Contains(r.Stderr, "memory") || s.state(id).End.OOMKilled {
		t.Errorf("run: %s", r.Stderr)
	}
	s.Do("rm", id)
}

// TestOutOfMemoryOfBundle: the same for a bundle, with another hint.
func TestOutOfMemoryOfBundle(t *testing.T) {
	limit := int64(24 << 20)
	b := testbundle.New(t, testbundle.Args("/bin/tail", "/dev/zero"), func(c *specs.Spec) {
		c.Linux.Resources = &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &limit}}
	})
	r := b.Run()
	if r.Exit(t, 137); !strings.Contains(r.Stderr, "at the limit of 24MiB") ||
		!strings.Contains(r.Stderr, "hint: raise linux.resources.memory.limit") {
		t.Errorf("run: %s", r.Stderr)
	}
}

// TestUpdatedLimitsStay: update changes the limits of a running container and of a stopped one, and the
// next run has them.
func TestUpdatedLimitsStay(t *testing.T) {
	s := loaded(t, runs("sleep", "1000"))
	id := name("updated")
	s.Do("run", "-d", "--name", id, "-m", "64m", "--pids-limit", "50", "busybox")
	defer s.Do("rm", "-f", id)
	limits := func(memory, pids uint64) {
		t.Helper()
		var got struct {
			Data struct {
				Memory struct{ Usage struct{ Limit uint64 } }
				Pids   struct{ Limit uint64 }
			}
		}
		s.JSON(&got, "events", "--stats", id)
		if got.Data.Memory.Usage.Limit != memory || got.Data.Pids.Limit != pids {
			t.Errorf("%+v, want %d, %d", got, memory, pids)
		}
	}
	s.Do("update", "--memory", "48m", id)
	limits(48<<20, 50)
	s.Do("restart", "-t", "0", id)
	limits(48<<20, 50)
	s.Do("stop", "-t", "0", id)
	s.Do("update", "--pids-limit", "40", id)
	s.Do("start", id)
	limits(48<<20, 40)
}

// TestHostnameVariable: HOSTNAME is the host name, unless it is given.
func TestHostnameVariable(t *testing.T) {
	s := loaded(t, runs("sh", "-c", "echo $HOSTNAME; hostname"))
	for want, flags := range map[string][]string{
		name("h") + "\n" + name("h"): nil, "web\nweb": {"--hostname", "web"}, "mine\n" + name("h"): {"-e", "HOSTNAME=mine"},
	} {
		if got := s.Do(append(append([]string{"run", "--rm", "--name", name("h")}, flags...), "busybox")...); got != want {
			t.Errorf("%q: %q, want %q", flags, got, want)
		}
	}
}

// TestWarningsAreNotInTheLog: start prints a warning of the runtime, and later ones are in a file that
// inspect names, but not in the container's log.
func TestWarningsAreNotInTheLog(t *testing.T) {
	s := loaded(t, runs("sh", "-c", "echo output; exec sleep 1000"))
	id := name("warned")
	s.Do("run", "--name", id, "busybox", "true")
	// Hooks of the container's config.json: a failed poststop hook is a warning.
	config := filepath.Join(s.StoreDir, "containers", id, "config.json")
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	var c specs.Spec
	if err := json.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	c.Version = "1.2.0" // in which the failure of a poststart hook is a warning too
	c.Hooks = &specs.Hooks{Poststart: []specs.Hook{{Path: "/bin/false"}}, Poststop: []specs.Hook{{Path: "/bin/false"}}}
	if text, err = json.Marshal(c); err != nil {
		t.Fatal(err)
	}
	write(t, config, string(text))
	if r := s.Minirun("start", id); r.Status != 0 || !strings.Contains(r.Stderr, "poststart") {
		t.Errorf("start: %+v", r)
	}
	testbundle.Await(t, "the end", func() bool { return !s.state(id).Attended })
	if r := s.Minirun("logs", id); strings.Contains(r.Stdout+r.Stderr, "poststop") || strings.Contains(r.Stderr, "poststart") {
		t.Errorf("logs: %+v", r)
	}
	inspect := s.Do("inspect", id)
	_, path, _ := strings.Cut(inspect, "are in ")
	path, _, _ = strings.Cut(path, "\n")
	if notes, err := os.ReadFile(path); err != nil || !strings.Contains(string(notes), "poststop") {
		t.Errorf("%s, %v, inspect: %s", notes, err, inspect)
	}
	s.Do("rm", id)
}
