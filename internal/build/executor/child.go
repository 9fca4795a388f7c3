package executor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/spec"
)

// runContainer runs a minirun process that runs the container, and waits for it. It is called on the
// step's thread: minirun is its child, sees its mounts, and is killed when the thread ends.
func (r *stepRun) runContainer(ctx context.Context) error {
	cmd := r.executor.command("--log", r.bundle("log"), "--log-format", "json", "run", "--bundle", r.bundle(), r.id)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	copied := func() error { return nil }
	if r.terminal != nil {
		cmd.Stdin, cmd.Stdout, cmd.Stderr = r.terminal, r.terminal, r.terminal
	} else {
		cmd.SysProcAttr.Setpgid = true // signals from a terminal go to the builder, which decides what to do
		if r.step.Output != nil {
			from, to, err := os.Pipe()
			if err != nil {
				return err
			}
			defer from.Close()
			cmd.Stdout, cmd.Stderr = to, to
			copied = copyOutput(r.step.Output, from, to)
		}
	}
	if err := ctx.Err(); err != nil {
		_ = copied()
		return context.Cause(ctx)
	}
	err := cmd.Start()
	if err == nil {
		ended := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
		err = cmd.Wait()
		ended()
	}
	removed := r.executor.remove(r.id) // before the output reaches EOF: a container left over has it open too
	return errors.Join(r.explainExit(ctx, err), removed, copied())
}

// copyOutput copies what is written to w until all of its writers have closed it. The returned
// function closes this process's own copy of w and waits for that.
func copyOutput(to io.Writer, r, w *os.File) func() error {
	done := make(chan error, 1)
	go func() {
		_, err := io.Copy(to, r)
		if err != nil {
			_, _ = io.Copy(io.Discard, r) // the program must not block because its output is not read
			err = fmt.Errorf("cannot write the program's output: %w", err)
		}
		done <- err
	}()
	return func() error {
		_ = w.Close()
		return <-done
	}
}

// command creates a minirun command. It does not inherit from systemd the sockets that were
// passed to its parent, including that of sd_notify(3).
func (e *Executor) command(args ...string) *exec.Cmd {
	cmd := exec.Command(e.Minirun, append([]string{"--root", e.root()}, args...)...)
	cmd.Dir = "/"
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "LISTEN_") && !strings.HasPrefix(v, "NOTIFY_SOCKET=") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	return cmd
}

// remove deletes a container, if it exists, and kills its processes.
func (e *Executor) remove(id string) error {
	if _, err := os.Lstat(filepath.Join(e.root(), id)); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if out, err := e.command("delete", "--force", id).CombinedOutput(); err != nil {
		return fmt.Errorf("cannot remove the container of a step: %s (%w)", bytes.TrimSpace(out), err)
	}
	return nil
}

// explainExit distinguishes a program that failed from a container that could not be created.
// minirun writes the latter to its log.
func (r *stepRun) explainExit(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return fmt.Errorf("cannot run %s: %w", r.executor.Minirun, err)
	}
	text, logErr := os.ReadFile(r.bundle("log"))
	if logErr != nil && !errors.Is(logErr, os.ErrNotExist) {
		return logErr
	}
	if entry, ok := lastError(text); ok {
		return entry.err(r.step.Platform.Architecture)
	}
	if !exit.Exited() {
		return fmt.Errorf("minirun exited while it ran the program (%w)", err)
	}
	return &ExitError{exit.ExitCode(), r.step.Op.Argv}
}

// A logEntry is a line of a minirun log.
type logEntry struct {
	Level        string
	Msg          string
	ProgramErrno unix.Errno `json:"program_errno"` // the program could not be executed; 0: another error
}

// lastError returns the last error in a minirun log.
func lastError(log []byte) (last logEntry, ok bool) {
	for line := range bytes.Lines(log) {
		var entry logEntry
		if json.Unmarshal(line, &entry) == nil && entry.Level == "error" {
			last, ok = entry, true
		}
	}
	return last, ok
}

// err returns the error of a container for a machine architecture.
func (e *logEntry) err(arch string) error {
	switch e.ProgramErrno {
	case 0:
		return errors.New(e.Msg)
	case unix.ENOEXEC:
		return &StartError{Message: e.Msg + explainForeign(arch)}
	}
	return &StartError{Message: e.Msg}
}

// gatherFacts looks up what a configuration depends on.
func (r *stepRun) gatherFacts(who specs.User) (facts, error) {
	mode, err := resolveNetwork(r.step.Op.Network, r.executor.Network)
	if err != nil {
		return facts{}, err
	}
	var fs unix.Statfs_t
	f := facts{
		user: who, network: mode, terminal: r.terminal != nil, masks: spec.HostMasks("/"),
		rootless: r.rootless,
		unified:  unix.Statfs("/sys/fs/cgroup", &fs) == nil && fs.Type == unix.CGROUP2_SUPER_MAGIC,
	}
	if r.rootless {
		uids, gids, err := namespaces.Current()
		if err == nil {
			err = namespaces.Adapt(&f.user, uids, gids)
		}
		if err != nil {
			return f, err
		}
		f.noTTY = !namespaces.Maps(gids, spec.TTYGroup)
	}
	if r.step.Op.Insecure {
		own, err := ownCapabilities()
		if err != nil {
			return f, err
		}
		f.capabilities = capabilityNames(own)
		if f.devices, err = hostDevices("/dev"); err != nil {
			return f, err
		}
	}
	return f, nil
}

// ownCapabilities returns the capabilities that this process may pass on.
func ownCapabilities() (uint64, error) {
	var data [2]unix.CapUserData
	if err := unix.Capget(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &data[0]); err != nil {
		return 0, fmt.Errorf("cannot read the capabilities (capget: %w)", err)
	}
	return uint64(data[1].Permitted)<<32 | uint64(data[0].Permitted), nil
}

// hostDevices lists the host's devices, except those that every container has.
func hostDevices(dir string) (out []specs.LinuxDevice, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		switch path {
		case "/dev/pts", "/dev/shm", "/dev/mqueue", "/dev/fd", "/dev/console", "/dev/.udev", "/dev/.lxc", "/dev/ptmx":
			continue
		}
		if e.IsDir() {
			more, err := hostDevices(path)
			if err != nil {
				return nil, err
			}
			out = append(out, more...)
			continue
		}
		var st unix.Stat_t
		if e.Type()&os.ModeDevice == 0 || unix.Lstat(path, &st) != nil {
			continue
		}
		kind, mode := "b", os.FileMode(st.Mode&0o777)
		if e.Type()&os.ModeCharDevice != 0 {
			kind = "c"
		}
		out = append(out, specs.LinuxDevice{
			Path: path, Type: kind, Major: int64(unix.Major(st.Rdev)), Minor: int64(unix.Minor(st.Rdev)),
			FileMode: &mode, UID: &st.Uid, GID: &st.Gid,
		})
	}
	return out, nil
}
