package testbundle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/containerd/console"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/spec"
)

const busybox = "/bin/busybox"

// applets lists the commands of the root file system.
var applets = []string{
	"[", "awk", "basename", "cat", "chmod", "chown", "cp", "cut", "date", "dd", "df", "dirname", "echo", "env", "expr", "false",
	"find", "grep", "head", "hostname", "id", "ifconfig", "ip", "kill", "ln", "ls", "mkdir", "mkfifo", "mknod", "mount", "mv", "nc",
	"nice", "od", "ps", "pwd", "readlink", "renice", "rm", "rmdir", "sed", "seq", "sh", "sleep", "sort", "stat", "stty", "tail", "test",
	"touch", "tr", "true", "tty", "umount", "uname", "uniq", "unshare", "wc", "which", "xargs",
}

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

// MakeRootfs creates a busybox root file system in dir. The program is a hard link: a container that
// could write to it would change the others' too, so tests that attempt this use a separate copy.
func MakeRootfs(t testing.TB, dir string) {
	t.Helper()
	for _, d := range []string{"bin", "dev", "etc", "proc", "root", "sys", "tmp", "usr", "home/user", "mnt", "opt"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(dir, "tmp"), 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	copyOnce(t, busybox, filepath.Join(dir, "bin/busybox"))
	copyOnce(t, Probe, filepath.Join(dir, "bin/probe"))
	for _, a := range applets {
		if err := os.Symlink("busybox", filepath.Join(dir, "bin", a)); err != nil {
			t.Fatal(err)
		}
	}
	passwd := "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n"
	if err := os.WriteFile(filepath.Join(dir, "etc/passwd"), []byte(passwd), 0o644); err != nil {
		t.Fatal(err)
	}
}

// copyOnce links to a copy of a program, which is created at the first use.
func copyOnce(t testing.TB, from, to string) {
	t.Helper()
	master := filepath.Join(scratch, "copy-of-"+filepath.Base(from))
	if _, err := os.Stat(master); err != nil {
		CopyFile(t, from, master, 0o755)
	}
	if err := os.Link(master, to); err != nil {
		t.Fatal(err)
	}
}

// CopyFile copies a regular file.
func CopyFile(t testing.TB, from, to string, mode os.FileMode) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, data, mode)
	}
	if err != nil {
		t.Fatal(err)
	}
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

// deadline limits one run of minirun; a run that takes longer counts as hanging.
const deadline = 60 * time.Second

// Command returns a minirun command with --root and args, which is not started yet.
func (b *Bundle) Command(args ...string) *exec.Cmd {
	cmd := exec.Command(Binary, append(append([]string{"--root", b.Root}, b.Global...), args...)...)
	cmd.Dir = b.Wd
	cmd.Env = append(os.Environ(), b.Env...)
	if b.Stdin != "" {
		cmd.Stdin = strings.NewReader(b.Stdin)
	}
	return cmd
}

// Start starts a command that is killed at the end of the test if it is still running.
func (b *Bundle) Start(cmd *exec.Cmd) {
	b.t.Helper()
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	kill := func() {
		// Delete the container too: it holds the pipes that the test reads.
		_ = exec.Command(Binary, "--root", b.Root, "delete", "--force", b.ID).Run()
		_ = cmd.Process.Kill()
	}
	timer := time.AfterFunc(deadline, kill)
	b.t.Cleanup(func() {
		timer.Stop()
		if cmd.ProcessState == nil {
			kill()
			_ = cmd.Wait()
		}
	})
}

// A Result has the output of minirun and the container, and minirun's exit status.
type Result struct {
	Stdout, Stderr string
	Status         int // -1: killed by a signal
}

// Run writes config.json and runs the container: minirun run FLAGS ID BUNDLE.
func (b *Bundle) Run(flags ...string) Result {
	b.t.Helper()
	b.Write()
	return b.Minirun(append(append([]string{"run"}, flags...), b.ID, b.Dir)...)
}

// Minirun runs minirun with args.
func (b *Bundle) Minirun(args ...string) Result {
	b.t.Helper()
	return Finish(b.t, b.Command(args...))
}

// Finish runs a command to its end.
func Finish(t testing.TB, cmd *exec.Cmd) Result {
	t.Helper()
	var out, err bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &err
	cmd.WaitDelay = 5 * time.Second
	if e := cmd.Start(); e != nil {
		t.Fatal(e)
	}
	timer := time.AfterFunc(deadline, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	failure := cmd.Wait()
	r := Result{out.String(), err.String(), cmd.ProcessState.ExitCode()}
	var exit *exec.ExitError
	if failure != nil && !errors.As(failure, &exit) {
		t.Errorf("%v: %v", cmd.Args, failure)
	}
	return r
}

// Detach is Run with --detach. The container outlives minirun, so it must not hold the pipes whose
// end Run waits for.
func (b *Bundle) Detach(flags ...string) Result {
	b.t.Helper()
	b.Write()
	cmd := b.Command(append(append([]string{"run", "--detach"}, flags...), b.ID, b.Dir)...)
	out, err := os.CreateTemp(filepath.Dir(b.Dir), "output")
	if err != nil {
		b.t.Fatal(err)
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	_ = cmd.Run()
	text, _ := os.ReadFile(out.Name())
	return Result{"", string(text), cmd.ProcessState.ExitCode()}
}

// RunTerminal is Run with a terminal as minirun's standard input; the output on the container's
// terminal is returned in Stdout.
func (b *Bundle) RunTerminal(flags ...string) Result {
	b.t.Helper()
	master, path, err := console.NewPty()
	if err != nil {
		b.t.Skip("the test gets no terminal: ", err)
	}
	defer master.Close()
	slave, err := os.OpenFile(path, os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		b.t.Fatal(err)
	}
	defer slave.Close()
	b.Write()
	cmd := b.Command(append(append([]string{"run"}, flags...), b.ID, b.Dir)...)
	cmd.Stdin = slave
	return Finish(b.t, cmd)
}

// ListFDs is a script that prints the numbers of the shell's open descriptors without opening any
// itself. (A Go program would also find those of its runtime.)
const ListFDs = `i=0; while [ $i -lt 1100 ]; do [ -e /proc/self/fd/$i ] && echo $i; i=$((i+1)); done; true`

// Exit fails the test unless minirun's exit status is status.
func (r Result) Exit(t testing.TB, status int) {
	t.Helper()
	if r.Status != status {
		t.Fatalf("exit status %d, want %d\nstdout: %s\nstderr: %s", r.Status, status, r.Stdout, r.Stderr)
	}
}

// Prints fails the test unless the container succeeded and wrote want.
func (r Result) Prints(t testing.TB, want string) {
	t.Helper()
	r.Exit(t, 0)
	if got := strings.TrimSpace(r.Stdout); got != strings.TrimSpace(want) {
		t.Errorf("printed %q, want %q\nstderr: %s", got, want, r.Stderr)
	}
}

// Fails fails the test unless minirun failed with a message that contains all of words.
func (r Result) Fails(t testing.TB, words ...string) {
	t.Helper()
	if r.Status == 0 {
		t.Errorf("exit status 0, want a failure\nstdout: %s", r.Stdout)
	}
	for _, w := range words {
		if !strings.Contains(r.Stderr, w) {
			t.Errorf("the message has no %q:\n%s", w, r.Stderr)
		}
	}
	if twice := repeatedPrefix(r.Stderr); twice != "" {
		t.Errorf("the message says %q twice: %s", twice, r.Stderr)
	}
}

// repeatedPrefix returns what a line of messages repeats before a colon: the same text twice in a
// row, or the origin of the message. It returns "" if nothing is repeated.
func repeatedPrefix(messages string) string {
	for line := range strings.Lines(messages) {
		parts := strings.Split(strings.TrimSpace(line), ": ")
		for i, part := range parts[1:] {
			if part == parts[i] && part != "" {
				return part
			}
		}
		seen := map[string]bool{}
		for _, part := range parts {
			if seen[part] && slices.Contains([]string{"minirun", "config.json", "exec", "run", "create"}, part) {
				return part
			}
			seen[part] = true
		}
	}
	return ""
}

// Background runs the container until stop is called, which kills it with SIGKILL from outside and
// waits for minirun. It returns when the container has written its first line, with the PID of its
// first process on the host.
func (b *Bundle) Background(t testing.TB, flags ...string) (pid int, stop func()) {
	t.Helper()
	b.Write()
	pidFile := filepath.Join(filepath.Dir(b.Dir), "pid")
	flags = append(append([]string{"run"}, flags...), "--pid-file", pidFile, b.ID, b.Dir)
	cmd := b.Command(flags...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	first := make([]byte, 1)
	if _, err := out.Read(first); err != nil {
		_ = cmd.Wait()
		t.Fatal("the container wrote nothing: ", err)
	}
	text, err := os.ReadFile(pidFile)
	if err == nil {
		_, err = fmt.Sscan(string(text), &pid)
	}
	if err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		_ = syscall.Kill(pid, syscall.SIGKILL)
		_ = cmd.Wait()
	}
	t.Cleanup(stop)
	return pid, stop
}
