package container

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/cgroups/group"
	"github.com/minirun/minirun/internal/container/compile"
)

// newTestContainer returns a container without a cgroup, for which nothing has been created yet.
func newTestContainer(t *testing.T) *Container {
	t.Helper()
	s := &specs.Spec{Process: &specs.Process{}, Root: &specs.Root{}, Linux: &specs.Linux{}}
	o := Options{Root: filepath.Join(t.TempDir(), "state"), ID: "web", Bundle: t.TempDir(),
		Warn: func(w any) { t.Log(w) }}
	c := newContainer(o, purpose{})
	c.Spec, c.group = s, group.Open(nil)
	return c
}

// listDescriptors lists the open descriptors and what they refer to. It leaves out those that the Go
// runtime may open at any time.
func listDescriptors(t *testing.T) (open string) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		to, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err == nil && !strings.Contains(to, "eventpoll") && !strings.Contains(to, "/proc/") {
			open += e.Name() + " " + to + "\n"
		}
	}
	return open
}

// TestRecordThatFailsReleasesAll: neither a directory nor a lock is left.
func TestRecordThatFailsReleasesAll(t *testing.T) {
	c := newTestContainer(t)
	in := compile.Inputs{Spec: c.Spec}
	in.Rootfs.OnHost, in.Rootfs.Root = true, "/no/such/root"
	before := listDescriptors(t)
	if err := c.createRecord(in); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the error is %v", err)
	}
	if after := listDescriptors(t); after != before {
		t.Errorf("open before:\n%safter:\n%s", before, after)
	}
	if _, err := os.Stat(c.options.directory()); err == nil {
		t.Error("the state directory is left")
	}
}

// TestDestroyReleasesAll: everything that the container has before its process is also released.
func TestDestroyReleasesAll(t *testing.T) {
	c := newTestContainer(t)
	before := listDescriptors(t)
	c.purpose.starts, c.options.NotifySocket = true, "/run/systemd/notify"
	err := c.createRecord(compile.Inputs{Spec: c.Spec})
	if err == nil {
		err = c.createNotifySocket()
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := c.destroy(); err != nil {
		t.Error(err)
	}
	if after := listDescriptors(t); after != before {
		t.Errorf("open before:\n%safter:\n%s", before, after)
	}
	if _, err := os.Stat(c.options.directory()); err == nil {
		t.Error("the state directory is left")
	}
}
