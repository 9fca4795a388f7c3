// Package testbundle is shared by the tests of the whole binary: minirun built once, bundles with a
// busybox root file system, runs with a private state directory, and a check that a run has left
// nothing.
//
//	TestMain   testbundle.Main(m): a private mount namespace, minirun, probe
//	test       b := testbundle.New(t, func(s *specs.Spec) { … })
//	           r := b.Run()                         minirun run ID bundle
//	           r.Exit(t, 0); r.Stdout …
//	cleanup    mounts, cgroups, processes, state directory, named network
//	           namespaces: the same as before
//
// The test has a separate mount namespace in which everything is shared, as on a host with systemd:
// if a runtime does not stop the propagation, its mounts leak into this namespace, where the check
// detects them. Other mounts on the machine are not visible.
//
// A [Bundle] is a bundle on disk, a [Store] is a store of images as well. command.go runs minirun with
// them, rootfs.go makes their files, watch.go finds what they leave, kill.go kills commands, and page.go
// runs the commands of a page of the documentation.
package testbundle

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// inside marks the test binary that runs in the separate mount namespace.
const inside = "MINIRUN_TEST_INSIDE"

// Prefix is the prefix of the ID and the cgroup of every container of this process.
var Prefix = fmt.Sprintf("mrt%d-", os.Getpid())

// Set by Main.
var (
	Binary  string // path of minirun, a copy that belongs to the tests
	Probe   string // path of the probe, see probe/main.go
	scratch string // directory of this process's bundles
)

// skip is the reason why nothing can run here, or "".
var skip string

// helpers lists the programs that are installed next to minirun.
var helpers = []string{"minirun-systemd", "minirun-translate"}

// Main is the body of TestMain.
func Main(m *testing.M) {
	os.Exit(run(m))
}

// MainWithImages is Main with minirun-image, which takes longer to build, and minirun-engine.
func MainWithImages(m *testing.M) {
	helpers = append(helpers, "minirun-image", "minirun-engine")
	os.Exit(run(m))
}

// private lists the directories in place of which the tests have empty ones.
var private []string

// MainWithLabs is Main with the helpers that labs use, and with empty directories in place of some of the
// host's.
func MainWithLabs(m *testing.M, directories ...string) {
	private = directories
	helpers = append(helpers, "minirun-image", "minirun-engine", "minirun-lab")
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if os.Geteuid() != 0 {
		skip = "needs root: it creates real containers"
		return m.Run()
	}
	if os.Getenv(inside) == "" {
		return again()
	}
	if err := prepare(); err != nil {
		fmt.Fprintln(os.Stderr, "testbundle:", err)
		return 1
	}
	defer os.RemoveAll(scratch)
	return m.Run()
}

// again runs the test binary in a separate mount namespace.
func again() int {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS, Pdeathsig: unix.SIGKILL}
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		return exit.ExitCode()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "testbundle: run the tests in a mount namespace:", err)
		return 1
	}
	return 0
}

func prepare() error {
	for _, flags := range [2]uintptr{unix.MS_REC | unix.MS_PRIVATE, unix.MS_REC | unix.MS_SHARED} {
		if err := unix.Mount("", "/", "", flags, ""); err != nil {
			return fmt.Errorf("set the propagation of /: %w", err)
		}
	}
	for _, dir := range private {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := unix.Mount("private", dir, "tmpfs", 0, "mode=755"); err != nil {
			return fmt.Errorf("mount on %s: %w", dir, err)
		}
	}
	// Processes that a container leaves become our children, so they are detected.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("PR_SET_CHILD_SUBREAPER: %w", err)
	}
	// A bridge for each container would take time. Tests of networks name one, or unset the variable.
	err := errors.Join(os.Setenv("MINIRUN_NETWORK", "none"), os.Setenv("MINIRUN_LANG", "en"))
	if err != nil {
		return err
	}
	if scratch, err = os.MkdirTemp("", "minirun-test-"); err != nil {
		return err
	}
	// Users in user namespaces must be able to reach files there.
	if err := os.Chmod(scratch, 0o755); err != nil {
		return err
	}
	if err := build(); err != nil {
		return errors.Join(err, os.RemoveAll(scratch))
	}
	return nil
}

// build builds minirun and the probe, or uses those named by MINIRUN and MINIRUN_PROBE.
func build() error {
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	Probe, Binary = filepath.Join(scratch, "probe"), filepath.Join(scratch, "minirun")
	err = errors.Join(
		take("MINIRUN_PROBE", root, Probe, "./tests/testbundle/probe"),
		take("MINIRUN", root, Binary, "-tags", "urfave_cli_no_docs", "./cmd/minirun"))
	for _, name := range helpers {
		err = errors.Join(err, takeHelper(root, name))
	}
	return err
}

// takeHelper copies the helper that is next to the given minirun, if there is one.
func takeHelper(root, name string) error {
	out := filepath.Join(scratch, name)
	given := os.Getenv("MINIRUN")
	if given == "" {
		return goBuild(root, out, "-tags", "urfave_cli_no_docs", "./cmd/"+name)
	}
	data, err := os.ReadFile(filepath.Join(filepath.Dir(given), name))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return errors.Join(err, os.WriteFile(out, data, 0o755))
}

// bake builds minirun-bake once: a build from scratch takes minutes.
var bake = sync.OnceValue(func() error {
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	out := filepath.Join(scratch, "minirun-bake")
	given := os.Getenv("MINIRUN")
	if given == "" {
		return goBuild(filepath.Join(root, "cmd/minirun-bake"), out, "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", ".")
	}
	data, err := os.ReadFile(filepath.Join(filepath.Dir(given), "minirun-bake"))
	return errors.Join(err, os.WriteFile(out, data, 0o755))
})

// NeedBake is Need with minirun-bake, which belongs to a separate module.
func NeedBake(t testing.TB) {
	t.Helper()
	Need(t)
	if err := bake(); err != nil {
		t.Fatal(err)
	}
}

// take copies the program named by a variable, because tests attack it, or builds it.
func take(variable, root, out string, args ...string) error {
	given := os.Getenv(variable)
	if given == "" {
		return goBuild(root, out, args...)
	}
	data, err := os.ReadFile(given)
	if err != nil {
		return fmt.Errorf("%s: %w", variable, err)
	}
	return os.WriteFile(out, data, 0o755)
}

func goBuild(root, out string, args ...string) error {
	cmd := exec.Command("go", append([]string{"build", "-o", out}, args...)...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w: %s", out, err, text)
	}
	return nil
}

func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for d := dir; d != "/"; d = filepath.Dir(d) {
		if _, err := os.Stat(filepath.Join(d, "go.mod")); err == nil {
			return d, nil
		}
	}
	return "", fmt.Errorf("no go.mod above %s", dir)
}

// noteSources reads the attributes of the sources from which the binary is built. The go command
// records which files a test examines, and reuses a cached result only as long as they are the same;
// it cannot know that the binary depends on them.
var noteSources = sync.OnceFunc(func() {
	root, err := moduleRoot()
	if err != nil {
		return
	}
	for _, dir := range [2]string{"cmd", "internal"} {
		_ = filepath.WalkDir(filepath.Join(root, dir), func(path string, _ fs.DirEntry, err error) error {
			if err == nil {
				_, _ = os.Stat(path)
			}
			return nil
		})
	}
})

// Need skips the test if containers cannot be created here.
func Need(t testing.TB) {
	t.Helper()
	if skip != "" {
		t.Skip(skip)
	}
	noteSources()
	if _, err := os.Stat(busybox); err != nil {
		t.Skipf("needs %s of Debian's package busybox-static: %v", busybox, err)
	}
}
