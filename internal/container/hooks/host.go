// Package hooks runs programs of the host at points of a container's life cycle
// (config.md, "POSIX-platform Hooks"). prestart, createRuntime, poststart and poststop
// run where minirun runs: host.go. createContainer and startContainer run inside the
// container and are steps of its plan (package process); inside.go has the files that
// they read and write.
//
// No program of the host ever gets a value from the container's process.env, which may
// come from an image: here a hook without env has the environment of minirun's caller,
// as in crun and runc; createContainer hooks have an empty one.
package hooks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/bootstrap"
	"github.com/minirun/minirun/internal/process"
	"github.com/minirun/minirun/internal/signals"
)

// A Hook is one of those in config.json, with its position there.
type Hook struct {
	*specs.Hook
	Kind  string // "prestart", …
	Index int
}

// Source returns the JSON path of the hook.
func (h *Hook) Source() string { return process.HookSource(h.Kind, h.Index) }

// List returns the hooks of a kind.
func List(kind string, hooks []specs.Hook) []Hook {
	out := make([]Hook, len(hooks))
	for i := range hooks {
		out[i] = Hook{&hooks[i], kind, i}
	}
	return out
}

// RunAll runs hooks on the host, and returns the failures, which do not stop the other
// hooks.
func RunAll(ctx context.Context, hooks []Hook, state *specs.State) (failures []error) {
	for i := range hooks {
		if err := hooks[i].Run(ctx, state); err != nil {
			failures = append(failures, err)
		}
	}
	return failures
}

// Run runs one hook on the host.
func (h *Hook) Run(ctx context.Context, state *specs.State) error {
	data, err := json.Marshal(state)
	if err != nil {
		return fmt.Errorf("hooks.%s: %w", h.Kind, err)
	}
	if err := h.execute(ctx, state, data); err != nil {
		return fmt.Errorf("config.json: %s: run %s: %w", h.Source(), h.Path, err)
	}
	return nil
}

// withTimeout returns a context with the hook's timeout, in seconds.
func withTimeout(ctx context.Context, h *specs.Hook) (context.Context, context.CancelFunc) {
	if h.Timeout == nil {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Duration(*h.Timeout)*time.Second)
}

// workingDirectory returns the working directory of a hook on the host: the bundle, as in
// runc, unless it no longer exists by the time of poststop.
func workingDirectory(bundle string) string {
	if _, err := os.Stat(bundle); err != nil {
		return ""
	}
	return bundle
}

// execute runs the program of a hook with the state on its standard input.
func (h *Hook) execute(ctx context.Context, state *specs.State, input []byte) error {
	ctx, cancel := withTimeout(ctx, h.Hook)
	defer cancel()
	var output tailWriter
	cmd := exec.CommandContext(ctx, h.Path)
	if len(h.Args) > 0 {
		cmd.Args = h.Args
	}
	cmd.Dir, cmd.Env = workingDirectory(state.Bundle), h.Env
	if len(h.Env) == 0 {
		cmd.Env = os.Environ() // the caller's, never process.env
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), &output, &output
	files, err := redirectOutput(cmd, state)
	defer closeFiles(files)
	if err != nil {
		return err
	}
	// Kill the hook if minirun dies.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
	cmd.WaitDelay = time.Second // a grandchild may hold the pipes open
	err = startCommand(cmd)
	if err == nil {
		err = cmd.Wait()
	}
	if errors.Is(err, unix.EPIPE) || errors.Is(err, exec.ErrWaitDelay) {
		err = nil // it succeeded without reading all of its input, or left a daemon running
	}
	return describeFailure(ctx, h.Hook, err, output)
}

// startCommand forks on a thread that has the timer slack and the signal actions that a
// hook must have.
func startCommand(cmd *exec.Cmd) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	bootstrap.KeepSlack()
	signals.DefaultInChildren()
	return cmd.Start()
}

// describeFailure describes how a hook failed.
func describeFailure(ctx context.Context, h *specs.Hook, err error, output []byte) error {
	if err == nil {
		return nil
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("killed after its timeout of %d s", *h.Timeout)
	}
	return withOutput(err, output)
}
