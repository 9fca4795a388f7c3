package testbundle

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/spec"
)

// A Bundle is a bundle on disk, together with the options for running it.
type Bundle struct {
	Dir  string      // with config.json and rootfs/
	Spec *specs.Spec // written to config.json by Write, which Run calls
	Root string      // minirun's --root
	ID   string
	Host string // an empty directory of the host that nothing may change

	Stdin  string   // for the container
	Env    []string // added to minirun's environment
	Global []string // options before the command
	Wd     string   // minirun's working directory

	t testing.TB
}

var count atomic.Int64

// New creates a bundle from the default config.json: without a terminal, with a separate cgroup,
// running true. Each function in change may modify it. When the test ends, nothing of it may be left:
// see Watch.
func New(t testing.TB, change ...func(*specs.Spec)) *Bundle {
	t.Helper()
	Need(t)
	dir := filepath.Join(scratch, fmt.Sprintf("b%d", count.Add(1)))
	b := &Bundle{Dir: filepath.Join(dir, "bundle"), Root: filepath.Join(dir, "state"), Host: filepath.Join(dir, "host"), t: t}
	b.ID = Prefix + filepath.Base(dir)
	for _, d := range []string{b.Dir, b.Host, b.Root} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		// After a failed test something may still run; the check has already recorded it, so it must
		// not stay on the machine.
		_ = exec.Command(Binary, "--root", b.Root, "delete", "--force", b.ID).Run()
		os.RemoveAll(dir)
	})
	b.Watch()
	MakeRootfs(t, b.Path("/"))
	b.Spec = spec.Default(false)
	b.Spec.Process.Terminal = false
	b.Spec.Process.Args = []string{"true"}
	b.Spec.Linux.CgroupsPath = "/" + b.ID
	// Tests that do not depend on how a cgroup is created run with either driver.
	if os.Getenv("MINIRUN_DRIVER") == "systemd" {
		b.Spec.Linux.CgroupsPath, b.Global = "", []string{"--systemd-cgroup"}
	}
	for _, f := range change {
		f(b.Spec)
	}
	return b
}

// Sh sets the container's program to a shell script.
func Sh(script string) func(*specs.Spec) {
	return func(s *specs.Spec) { s.Process.Args = []string{"sh", "-c", script} }
}

// Args sets the container's program and its arguments.
func Args(args ...string) func(*specs.Spec) {
	return func(s *specs.Spec) { s.Process.Args = args }
}

// Writable lets the container write to its root file system.
func Writable(s *specs.Spec) { s.Root.Readonly = false }

// Path returns the host path of a path in the container.
func (b *Bundle) Path(path string) string { return filepath.Join(b.Dir, "rootfs", path) }

// State returns the container's state directory.
func (b *Bundle) State() string { return filepath.Join(b.Root, b.ID) }

// File writes a file in the root file system.
func (b *Bundle) File(path, text string, mode os.FileMode) {
	b.t.Helper()
	if err := os.MkdirAll(filepath.Dir(b.Path(path)), 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(b.Path(path), []byte(text), mode); err != nil {
		b.t.Fatal(err)
	}
	if err := os.Chmod(b.Path(path), mode); err != nil { // regardless of the umask
		b.t.Fatal(err)
	}
}

// Link replaces path in the root file system with a symbolic link.
func (b *Bundle) Link(target, path string) {
	b.t.Helper()
	if err := os.RemoveAll(b.Path(path)); err != nil {
		b.t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(b.Path(path)), 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.Symlink(target, b.Path(path)); err != nil {
		b.t.Fatal(err)
	}
}

// Write writes config.json.
func (b *Bundle) Write() {
	b.t.Helper()
	data, err := json.MarshalIndent(b.Spec, "", "\t")
	if err == nil {
		err = os.WriteFile(filepath.Join(b.Dir, "config.json"), data, 0o644)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// ListFDs is a script that prints the numbers of the shell's open descriptors without opening any
// itself. (A Go program would also find those of its runtime.)
const ListFDs = `i=0; while [ $i -lt 1100 ]; do [ -e /proc/self/fd/$i ] && echo $i; i=$((i+1)); done; true`
