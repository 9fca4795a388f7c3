package container

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/bootstrap"
	"github.com/minirun/minirun/internal/handshake"
	"github.com/minirun/minirun/internal/plan"
)

// Hooks run programs of the host at points of the life cycle (config.md,
// "POSIX-platform Hooks"). prestart, createRuntime, poststart and poststop run
// where minirun runs. createContainer and startContainer run inside the
// container's namespaces: each is a small plan that joins them by pidfd.

// runtimeHooks runs hooks where minirun runs.
func (r *Record) runtimeHooks(kind string, hooks []specs.Hook, status specs.ContainerState) error {
	for i := range hooks {
		state, err := json.Marshal(r.state(status, r.Pid))
		if err != nil {
			return fmt.Errorf("hooks.%s: %w", kind, err)
		}
		if err := runHook(&hooks[i], r.hookDirectory(status), state); err != nil {
			return hookError(kind, i, &hooks[i], err)
		}
	}
	return nil
}

func hookError(kind string, i int, h *specs.Hook, err error) error {
	return fmt.Errorf("config.json: hooks.%s[%d]: run %s: %w", kind, i, h.Path, err)
}

// deadline returns a context with the hook's timeout, in seconds.
func deadline(h *specs.Hook) (context.Context, context.CancelFunc) {
	if h.Timeout == nil {
		return context.WithCancel(context.Background())
	}
	return context.WithTimeout(context.Background(), time.Duration(*h.Timeout)*time.Second)
}

// hookDirectory is where a hook on the host begins: the bundle, as in runc,
// but for poststop, when the bundle may be gone already.
func (r *Record) hookDirectory(status specs.ContainerState) string {
	if status == specs.StateStopped {
		return ""
	}
	return r.Bundle
}

func runHook(h *specs.Hook, dir string, state []byte) error {
	ctx, cancel := deadline(h)
	defer cancel()
	var output bytes.Buffer
	cmd := exec.CommandContext(ctx, h.Path)
	cmd.Args, cmd.Dir = hookArgs(h), dir
	cmd.Env = append([]string{}, h.Env...) // not nil: that would be minirun's own
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(state), &output, &output
	cmd.WaitDelay = time.Second // a grandchild may hold the pipes open
	err := cmd.Run()
	if errors.Is(err, unix.EPIPE) || errors.Is(err, exec.ErrWaitDelay) {
		err = nil // it succeeded without reading all of its input, or left a daemon behind
	}
	return hookFailure(ctx, h, err, output.Bytes())
}

func hookArgs(h *specs.Hook) []string {
	if len(h.Args) > 0 {
		return h.Args
	}
	return []string{h.Path}
}

func hookFailure(ctx context.Context, h *specs.Hook, err error, output []byte) error {
	if err == nil {
		return nil
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("killed after its timeout of %d s", *h.Timeout)
	}
	if text := strings.TrimSpace(string(output)); text != "" {
		return fmt.Errorf("%w: it printed: %s", err, text)
	}
	return err
}

// containerHooks runs hooks inside the container's namespaces. Before
// pivot_root their paths are the host's, after it the container's: either way
// the root of its mount namespace.
func (r *Record) containerHooks(kind string, hooks []specs.Hook, status specs.ContainerState) error {
	for i := range hooks {
		if err := r.containerHook(&hooks[i], status); err != nil {
			return hookError(kind, i, &hooks[i], err)
		}
	}
	return nil
}

func (r *Record) containerHook(h *specs.Hook, status specs.ContainerState) error {
	pid, err := innerPid(r.Pid)
	if err != nil {
		return err
	}
	state, err := json.Marshal(r.state(status, pid))
	if err != nil {
		return err
	}
	pidfd, err := r.open()
	if err != nil || pidfd == nil {
		return errors.Join(errors.New("the container's process is gone"), err)
	}
	defer pidfd.Close()
	ctx, cancel := deadline(h)
	defer cancel()
	output, err := joinAndRun(ctx, h, state, pidfd, r.Namespaces)
	return hookFailure(ctx, h, err, output)
}

// hookPlan joins the namespaces of the process behind the first inherited
// descriptor and runs the hook in them. A PID namespace takes only children,
// so the hook is a child.
func hookPlan(h *specs.Hook, namespaces uintptr) *plan.Plan {
	b := plan.NewBuilder(3)
	parent := handshake.New(b)
	b.In(plan.Namespaces, "")
	b.Call("begin a session", "", plan.Setsid)
	pidfd := b.File(plan.File{Open: plan.Given, Name: "the container's process"})
	b.Call("join the container's namespaces", "", plan.Setns, pidfd, plan.Int(namespaces))
	child, m := b.Label(), b.Message(handshake.Cloned, "child")
	b.Get("make a child in its PID namespace", "", plan.Then{Zero: child}, m.A, plan.Clone,
		plan.Int(unix.CLONE_PARENT|uintptr(unix.SIGCHLD)), plan.Int(0), plan.Int(0), plan.Int(0), plan.Int(0))
	b.Tell("tell the parent its number", "", m)
	b.Call("end: the work is done", "", plan.ExitGroup, plan.Int(0))
	b.Place(child)
	b.In(plan.Exec, "")
	b.Await("wait until the parent knows this process", "", b.Room(8), 8, parent.Gone())
	b.Call("close minirun's descriptors at execve", "", plan.CloseRange, plan.Int(3), plan.Int(uint32(0xffffffff)), plan.Int(unix.CLOSE_RANGE_CLOEXEC))
	b.Call("become "+h.Path, "", plan.Execve, b.Str(h.Path), b.Strs(hookArgs(h)), b.Strs(h.Env))
	parent.End()
	return b.Plan()
}

// joinAndRun runs a hook in the container's namespaces and returns what it has
// printed.
func joinAndRun(ctx context.Context, h *specs.Hook, state []byte, pidfd *os.File, namespaces uintptr) ([]byte, error) {
	stdin, input, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer input.Close()
	output, stdout, err := os.Pipe()
	if err != nil {
		stdin.Close()
		return nil, err
	}
	defer output.Close()
	proc, err := bootstrap.Start(hookPlan(h, namespaces), bootstrap.Attr{
		Files: []*os.File{stdin, stdout, stdout}, Extra: []*os.File{pidfd},
	})
	stdin.Close()
	stdout.Close()
	if err != nil {
		return nil, err
	}
	defer proc.Close()
	stop := context.AfterFunc(ctx, func() {
		_ = proc.Kill()
		_ = output.SetReadDeadline(time.Now())
	})
	defer stop()
	if err := becomeHook(proc); err != nil {
		return nil, err
	}
	go func() {
		_, _ = input.Write(state) // a hook need not read its input
		input.Close()
	}()
	text := readHook(output, proc)
	return text, hookStatus(proc)
}

// becomeHook follows the plan to the hook's execve.
func becomeHook(proc *bootstrap.Process) error {
	m, err := proc.Receive()
	if err != nil {
		_, _ = proc.Wait()
		return err
	}
	first := proc.Pid
	if err := proc.Become(int(m.A)); err != nil {
		return err
	}
	if err := reap(first); err != nil {
		return err
	}
	if err := proc.Reply(goOn); err != nil {
		return err
	}
	if _, err := proc.Receive(); !errors.Is(err, io.EOF) {
		_, _ = proc.Wait()
		return err
	}
	return nil
}

// readHook reads until the hook has ended and its output is read; what it may
// have left running in the background does not hold it up.
func readHook(output *os.File, proc *bootstrap.Process) []byte {
	done := make(chan []byte)
	go func() {
		text, _ := io.ReadAll(io.LimitReader(output, 64<<10))
		done <- text
	}()
	fds := []unix.PollFd{{Fd: int32(proc.PidFD.Fd()), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(fds, -1); !errors.Is(err, unix.EINTR) {
			break
		}
	}
	_ = output.SetReadDeadline(time.Now().Add(time.Second))
	return <-done
}

func hookStatus(proc *bootstrap.Process) error {
	status, err := proc.Wait()
	switch {
	case err != nil:
		return err
	case status.Signaled():
		return fmt.Errorf("signal: %s", status.Signal())
	case status.ExitStatus() != 0:
		return fmt.Errorf("exit status %d", status.ExitStatus())
	}
	return nil
}

// innerPid is a process's number in its own PID namespace: the last of the
// NSpid line of proc_pid_status(5).
func innerPid(pid int) (int, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(data)) {
		if numbers, ok := strings.CutPrefix(line, "NSpid:"); ok {
			fields := strings.Fields(numbers)
			var n int
			_, err := fmt.Sscan(fields[len(fields)-1], &n)
			return n, err
		}
	}
	return pid, nil
}
