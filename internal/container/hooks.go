package container

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/bootstrap"
	"github.com/minirun/minirun/internal/handshake"
	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/process"
	"github.com/minirun/minirun/internal/signals"
)

// Hooks run programs of the host at points of the life cycle (config.md,
// "POSIX-platform Hooks"). prestart, createRuntime, poststart and poststop run where
// minirun runs: this file. createContainer and startContainer run inside the container
// and are steps of its plan: package process.
//
// No program of the host ever gets a value from the container's process.env, which may
// come from an image: here a hook without env has the environment of minirun's caller,
// as in crun and runc; createContainer hooks have an empty one.

// hooks runs hooks where minirun runs, up to the first that fails.
func (c *Container) hooks(kind string, hooks []specs.Hook, status specs.ContainerState) error {
	if len(hooks) == 0 {
		return nil
	}
	return c.signals.Run(func(ctx context.Context) error {
		for i := range hooks {
			begin := c.began()
			if err := c.runtimeHook(ctx, kind, i, &hooks[i], status); err != nil {
				return err
			}
			c.did(begin, "run the hook "+hooks[i].Path, "with the state on its standard input", fmt.Sprintf("hooks.%s[%d]", kind, i))
		}
		return nil
	})
}

// warnHooks runs all hooks, and returns the failures, which do not stop the other
// hooks.
func (r *Record) warnHooks(ctx context.Context, kind string, hooks []specs.Hook, status specs.ContainerState) (warnings []error) {
	for i := range hooks {
		if err := r.runtimeHook(ctx, kind, i, &hooks[i], status); err != nil {
			warnings = append(warnings, err)
		}
	}
	return warnings
}

// runtimeHook runs one hook, number i of its kind.
func (r *Record) runtimeHook(ctx context.Context, kind string, i int, h *specs.Hook, status specs.ContainerState) error {
	state, err := json.Marshal(r.state(status, r.Pid))
	if err != nil {
		return fmt.Errorf("hooks.%s: %w", kind, err)
	}
	if err := r.runHook(ctx, h, state); err != nil {
		return fmt.Errorf("config.json: %s: run %s: %w", process.HookSource(kind, i), h.Path, err)
	}
	return nil
}

// deadline returns a context with the hook's timeout, in seconds.
func deadline(ctx context.Context, h *specs.Hook) (context.Context, context.CancelFunc) {
	if h.Timeout == nil {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Duration(*h.Timeout)*time.Second)
}

// hookDirectory returns the working directory of a hook on the host: the bundle, as in
// runc, unless it no longer exists by the time of poststop.
func (r *Record) hookDirectory() string {
	if _, err := os.Stat(r.Bundle); err != nil {
		return ""
	}
	return r.Bundle
}

func (r *Record) runHook(ctx context.Context, h *specs.Hook, state []byte) error {
	ctx, cancel := deadline(ctx, h)
	defer cancel()
	var output tail
	cmd := exec.CommandContext(ctx, h.Path)
	if len(h.Args) > 0 {
		cmd.Args = h.Args
	}
	cmd.Dir, cmd.Env = r.hookDirectory(), h.Env
	if len(h.Env) == 0 {
		cmd.Env = os.Environ() // the caller's, never process.env
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(state), &output, &output
	files, err := r.hookOutput(cmd)
	defer closeAll(files)
	if err != nil {
		return err
	}
	// Kill the hook if minirun dies.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
	cmd.WaitDelay = time.Second // a grandchild may hold the pipes open
	err = startHook(cmd)
	if err == nil {
		err = cmd.Wait()
	}
	if errors.Is(err, unix.EPIPE) || errors.Is(err, exec.ErrWaitDelay) {
		err = nil // it succeeded without reading all of its input, or left a daemon running
	}
	return hookFailure(ctx, h, err, output)
}

// startHook forks on a thread that has the timer slack and the signal actions that a
// hook must have.
func startHook(cmd *exec.Cmd) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	bootstrap.KeepSlack()
	signals.DefaultInChildren()
	return cmd.Start()
}

func hookFailure(ctx context.Context, h *specs.Hook, err error, output []byte) error {
	if err == nil {
		return nil
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("killed after its timeout of %d s", *h.Timeout)
	}
	return withOutput(err, output)
}

// hookInput creates the file from which a hook inside the container reads its state,
// and keeps the other end. The state is written before the hook begins, so a pipe is
// used if the state fits into every pipe; a larger one is in a memfd.
func (c *Container) hookInput(f plan.File) (*os.File, error) {
	state, err := json.Marshal(c.state(specs.StateCreating, math.MaxInt32))
	if err != nil {
		return nil, err
	}
	if len(state) > maxPiped {
		file, err := memoryFile(f.Source, c.options.directory())
		if err != nil {
			return nil, err
		}
		c.pipes = append(c.pipes, file)
		return reopen(file, unix.O_RDONLY)
	}
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, err
	}
	c.pipes = append(c.pipes, os.NewFile(uintptr(fds[1]), f.Source))
	return os.NewFile(uintptr(fds[0]), f.Source), nil
}

// maxPiped is the guaranteed capacity of a pipe, even for a user who has exceeded
// pipe-user-pages-soft: a page, before Linux 5.14 (pipe(7)).
const maxPiped = 4096

// feedHooks gives the hooks of a kind that run inside the container their input, which
// has to be complete before they begin.
func (c *Container) feedHooks(kind string, status specs.ContainerState) error {
	var later []*os.File
	for i, f := range c.pipes {
		if !strings.HasPrefix(f.Name(), "hooks."+kind+"[") {
			later = append(later, f)
			continue
		}
		if err := errors.Join(c.feedHook(f, status), f.Close()); err != nil {
			c.pipes = append(later, c.pipes[i+1:]...)
			return fmt.Errorf("config.json: %s: write the state: %w", f.Name(), err)
		}
	}
	c.pipes = later
	return nil
}

func (c *Container) feedHook(f *os.File, status specs.ContainerState) error {
	pid, err := innerPid(c.Pid)
	if err != nil {
		return err
	}
	data, err := json.Marshal(c.state(status, pid))
	if err != nil {
		return err
	}
	fd := int(f.Fd())
	if err := unix.SetNonblock(fd, true); err != nil { // nothing reads the pipe yet
		return err
	}
	for len(data) > 0 {
		n, err := unix.Write(fd, data)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		data = data[max(n, 0):]
	}
	return nil
}

// hookFailed describes which hook inside the container has failed, and how. The
// message may come from another process, see mayAsk, with any content.
func (c *Container) hookFailed(m bootstrap.Message) error {
	kind, i, h := c.hookInside(m.B)
	if h == nil {
		return fmt.Errorf("%s reports the failure of hook %d, which config.json does not have", c.who, m.B)
	}
	if m.A == handshake.TimedOut && h.Timeout == nil {
		return fmt.Errorf("%s reports that %s took too long, which has no timeout", c.who, process.HookSource(kind, i))
	}
	var err error
	switch status := unix.WaitStatus(m.A); {
	case m.A == handshake.TimedOut:
		err = fmt.Errorf("killed after its timeout of %d s", *h.Timeout)
	case status.Signaled():
		err = fmt.Errorf("signal: %s", status.Signal())
	default:
		err = fmt.Errorf("exit status %d", status.ExitStatus())
	}
	return fmt.Errorf("config.json: %s: run %s: %w", process.HookSource(kind, i), h.Path, withOutput(err, c.printed(kind, i)))
}

// hookInside returns the hook that the process knows by a number; nil if there is
// none.
func (c *Container) hookInside(number uint64) (kind string, i int, h *specs.Hook) {
	if c.Hooks == nil {
		return "", 0, nil
	}
	before, after := c.Hooks.CreateContainer, c.Hooks.StartContainer
	first := uint64(len(before))
	switch {
	case number < first:
		return "createContainer", int(number), &before[number]
	case number-first < uint64(len(after)):
		return "startContainer", int(number - first), &after[number-first]
	}
	return "", 0, nil
}

// innerPid returns a process's PID in its own PID namespace: the last of the NSpid
// line of proc_pid_status(5).
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
