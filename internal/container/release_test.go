package container

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minirun/minirun/internal/container/compile"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/cgroups"
)

// unmade returns a container without a cgroup, for which nothing has been created yet.
func unmade(t *testing.T) *Container {
	t.Helper()
	s := &specs.Spec{Process: &specs.Process{}, Root: &specs.Root{}, Linux: &specs.Linux{}}
	o := Options{Root: filepath.Join(t.TempDir(), "state"), ID: "web", Bundle: t.TempDir(), Warn: func(w any) { t.Log(w) }}
	c := newContainer(o, purpose{})
	c.spec, c.group = s, cgroups.Open(nil)
	return c
}

// descriptors lists the open descriptors and what they refer to. It leaves out those that the Go
// runtime may open at any time.
func descriptors(t *testing.T) (open string) {
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
	c := unmade(t)
	in := compile.Inputs{Spec: c.spec}
	in.Rootfs.OnHost, in.Rootfs.Root = true, "/no/such/root"
	before := descriptors(t)
	if err := c.record(in); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the error is %v", err)
	}
	if after := descriptors(t); after != before {
		t.Errorf("open before:\n%safter:\n%s", before, after)
	}
	if _, err := os.Stat(c.options.directory()); err == nil {
		t.Error("the state directory is left")
	}
}

// TestDestroyReleasesAll: everything that the container has before its process is also released.
func TestDestroyReleasesAll(t *testing.T) {
	c := unmade(t)
	before := descriptors(t)
	c.purpose.starts, c.options.NotifySocket = true, "/run/systemd/notify"
	err := c.record(compile.Inputs{Spec: c.spec})
	if err == nil {
		err = c.makeNotify()
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := c.destroy(); err != nil {
		t.Error(err)
	}
	if after := descriptors(t); after != before {
		t.Errorf("open before:\n%safter:\n%s", before, after)
	}
	if _, err := os.Stat(c.options.directory()); err == nil {
		t.Error("the state directory is left")
	}
}

// TestCopyUpStops: a signal stops the copy of a large directory or of a large file.
func TestCopyUpStops(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(from, "large"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(from, "large"), 3*pieceSize); err != nil {
		t.Fatal(err)
	}
	source, target := openTestDir(t, from), openTestDir(t, to)
	told := errors.New("told")
	calls := 0
	stop := func() error {
		if calls++; calls == 3 {
			return told
		}
		return nil
	}
	if err := copyTree(stop, source, target, "", kept{}); !errors.Is(err, told) {
		t.Errorf("the error is %v", err)
	}
	if info, err := os.Stat(filepath.Join(to, "large")); err != nil || info.Size() >= 3*pieceSize {
		t.Errorf("it has copied all: %v, %v", info, err)
	}
}

func openTestDir(t *testing.T, path string) int {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return int(f.Fd())
}
