package testbundle

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/containerd/console"
)

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
		b.t.Skip("no terminal could be opened: ", err)
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
		t.Errorf("exit status 0; it must fail\nstdout: %s", r.Stdout)
	}
	for _, w := range words {
		if !strings.Contains(r.Stderr, w) {
			t.Errorf("the message does not contain %q:\n%s", w, r.Stderr)
		}
	}
	if twice := repeatedPrefix(r.Stderr); twice != "" {
		t.Errorf("the message repeats %q: %s", twice, r.Stderr)
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
