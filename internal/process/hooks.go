package process

import (
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/handshake"
	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/spec"
)

// This file compiles the hooks that run inside the container: a child of the process
// executes the program, and the process waits for it. So a hook has the namespaces,
// cgroups, identity and filters that the process has at this moment, and nothing more.
//
// Each hook reads its state from a pipe that the parent has filled and closed, or from
// a memfd if the state is large (see the plan's Files). Its output goes into a memfd,
// which the parent reads if the hook fails, or is appended to the files that
// annotations name. A pipe would need a reader all the time, also between create and
// start.

// CreateContainer adds the createContainer hooks. Their programs are on the host and
// run while the host's root is still the root, so the container's environment, which
// may be an image's ENV, must not reach them: LD_PRELOAD=./evil.so would run code from
// the image on the host (CVE-2025-23266). A hook without env has an empty environment,
// as in runc 1.5.
func (r *Process) CreateContainer(hooks []specs.Hook) {
	r.c.addHooks("createContainer", hooks, r.c.openHookFiles("createContainer", hooks), r.c.b.Strs(nil))
}

// hookFiles are the standard descriptors of a hook.
type hookFiles [3]plan.Arg

// openHookFiles makes the parent open the files of all hooks of a kind.
func (c *compiler) openHookFiles(kind string, hooks []specs.Hook) []hookFiles {
	out := make([]hookFiles, len(hooks))
	for i := range hooks {
		c.b.In(plan.Exec, HookSource(kind, i))
		out[i][0] = c.b.File(plan.File{Open: plan.Pipe, Name: "the container's state for the hook"})
		var memory plan.Arg
		if c.in.HookOutput[0] == "" || c.in.HookOutput[1] == "" {
			memory = c.b.File(plan.File{Open: plan.Memory, Name: "the output of the hook"})
		}
		for n, path := range c.in.HookOutput {
			out[i][n+1] = memory
			if path != "" {
				out[i][n+1] = c.appendedFile(n)
			}
		}
	}
	return out
}

// firstAfterStartFiles returns the first descriptor after those of the startContainer
// hooks.
func (c *compiler) firstAfterStartFiles() int {
	last := c.b.SyncFD()
	for _, files := range c.startFiles {
		for _, f := range files {
			last = max(last, int(f.Value))
		}
	}
	return last + 1
}

// appendedFile returns the file named by an annotation, which all hooks share.
func (c *compiler) appendedFile(n int) plan.Arg {
	if c.appended[n] == (plan.Arg{}) {
		names := [2]string{spec.AnnotationHooksStdout, spec.AnnotationHooksStderr}
		c.b.In(plan.Exec, "annotations["+strconv.Quote(names[n])+"]")
		c.appended[n] = c.b.File(plan.File{Open: plan.Append, Path: c.in.HookOutput[n],
			Name: "the file for the output of hooks"})
	}
	return c.appended[n]
}

// addHooks adds the steps of all hooks of a kind. env is the environment of hooks
// without their own.
func (c *compiler) addHooks(kind string, hooks []specs.Hook, files []hookFiles, env plan.Arg) {
	for i := range hooks {
		h := &hooks[i]
		c.b.In(plan.Exec, HookSource(kind, i))
		own := env
		if len(h.Env) > 0 {
			own = c.b.Strs(h.Env)
		}
		c.runHook(hookRun{Hook: h, number: c.hooks, files: files[i], env: own, killed: c.mayKillHook(kind)})
		c.hooks++
	}
}

// HookSource returns the JSON path of a hook.
func HookSource(kind string, i int) string { return "hooks." + kind + "[" + strconv.Itoa(i) + "]" }

// mayKillHook reports whether hooks of a kind can be killed together with the
// process that waits for them: a filter may forbid it.
func (c *compiler) mayKillHook(kind string) bool {
	return kind == "createContainer" || c.in.Seccomp == nil ||
		c.in.Seccomp.Allows(plan.Prctl.Number(), unix.PR_SET_PDEATHSIG, uint64(unix.SIGKILL))
}

// A hookRun is one hook to run.
type hookRun struct {
	*specs.Hook
	number int // by which the parent identifies it
	files  hookFiles
	env    plan.Arg
	killed bool // with the process that waits for it
}

// runHook adds the steps of one hook: a child executes it, the process waits for it.
func (c *compiler) runHook(h hookRun) {
	b := c.b
	child, exited, done := b.Label(), b.Label(), b.Label()
	pid := b.Cell("hook")
	// clone writes the descriptor to where ppoll reads it.
	poll := b.Words32(0, unix.POLLIN)
	b.Add(plan.Op{Name: "create a process for the hook " + h.Path, Out: pid, Then: plan.Then{Zero: child}},
		plan.Clone, plan.Int(unix.CLONE_PIDFD|uintptr(unix.SIGCHLD)), plan.Int(0), poll, plan.Int(0), plan.Int(0))
	if h.Timeout != nil {
		c.awaitTimeout(h, poll, exited)
		b.Place(exited)
	}
	failed := b.Message(handshake.HookFailed, "status")
	b.Preset(failed.B, uint64(h.number))
	again := b.Here()
	b.Add(plan.Op{Name: "wait for the hook", Then: plan.Then{On: []plan.On{{Errno: unix.EINTR, To: again}}}},
		plan.Wait4, plan.Of(pid), b.At(failed.A), plan.Int(0), plan.Int(0))
	c.checkStatus(failed)
	b.Add(plan.Op{Name: "close the state", Then: plan.Then{Next: done}}, plan.Close, h.files[0])
	b.Place(child)
	c.executeHook(h)
	b.Place(done)
}

// awaitTimeout adds the steps that wait for the exit of a hook, for which they continue
// at exited, or for its timeout, after which the process fails.
func (c *compiler) awaitTimeout(h hookRun, poll plan.Arg, exited plan.Label) {
	b := c.b
	late, again := b.Label(), b.Here()
	b.Add(plan.Op{
		Name: "wait at most " + strconv.Itoa(*h.Timeout) + " s",
		Why:  "the hook's timeout",
		Then: plan.Then{Next: exited, Zero: late, On: []plan.On{{Errno: unix.EINTR, To: again}}},
	}, plan.Ppoll, poll, plan.Int(1), b.Words(uint64(*h.Timeout), 0), plan.Int(0), plan.Int(0))
	b.Place(late)
	failed := b.Message(handshake.HookFailed)
	b.Preset(failed.A, handshake.TimedOut)
	b.Preset(failed.B, uint64(h.number))
	c.failHook(failed)
}

// executeHook adds the steps of the child, which becomes the hook.
func (c *compiler) executeHook(h hookRun) {
	b := c.b
	if h.killed {
		b.Add(plan.Op{
			Name: "die with the process that waits",
			Why:  "it exits at the hook's timeout; not every container kills its processes with it",
		}, plan.Prctl, plan.Int(unix.PR_SET_PDEATHSIG), plan.Int(unix.SIGKILL), plan.Int(0), plan.Int(0), plan.Int(0))
	}
	b.Add(plan.Op{Name: "make the state the hook's input"}, plan.Dup3, h.files[0], plan.Int(0), plan.Int(0))
	b.Add(plan.Op{Name: "separate its output from the container's"},
		plan.Dup3, h.files[1], plan.Int(1), plan.Int(0))
	b.Add(plan.Op{Name: "separate its error output too", Why: "the parent reads them if the hook fails"},
		plan.Dup3, h.files[2], plan.Int(2), plan.Int(0))
	b.Add(plan.Op{Name: "set the umask that programs expect"}, plan.Umask, plan.Int(0o022))
	if c.in.Preserve > 0 { // all others are closed at execve anyway
		b.Add(plan.Op{Name: "close the descriptors preserved for the program", Why: "they are not for the hook"},
			plan.CloseRange, plan.Int(3), plan.Int(uint32(0xffffffff)), plan.Int(unix.CLOSE_RANGE_CLOEXEC))
	}
	args := h.Args
	if len(args) == 0 {
		args = []string{h.Path}
	}
	b.Add(plan.Op{Name: "become " + h.Path}, plan.Execve, b.Str(h.Path), b.Strs(args), h.env)
}

// checkStatus continues if the wait status is zero. The loop branches only on results,
// so the status is converted to one: close_range(2) refuses a range whose end is
// before its start, from 1 to 0. It needs no descriptor, which another process could
// take from this one, and a filter has to allow it anyway.
func (c *compiler) checkStatus(failed plan.Message) {
	b := c.b
	good := b.Label()
	b.Add(plan.Op{
		Name: "check that it succeeded",
		Why: "the range from 1 to its status is invalid if the status is 0; " +
			"otherwise the process exits, and its descriptors close anyway",
		Then: plan.Then{On: []plan.On{{Errno: unix.EINVAL, To: good}}},
	}, plan.CloseRange, plan.Int(1), plan.Of(failed.A), plan.Int(unix.CLOSE_RANGE_CLOEXEC))
	c.failHook(failed)
	b.Place(good)
}

// failHook reports to the parent why a hook failed, and exits.
func (c *compiler) failHook(failed plan.Message) {
	c.b.Tell("tell the parent: "+handshake.Name(failed.Point), "", failed)
	c.b.Add(plan.Op{Name: "exit: a hook failed"}, plan.ExitGroup, plan.Int(1))
}
