package compare

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// This file runs a runtime as an engine does: create, start, delete.

// A Runtime is a program with runc's command line.
type Runtime struct {
	Name, Path string
	dir        string // its working directory: bundle, state
}

// copyBundle writes a config.json with which both start under the same conditions.
func (r *Runtime) copyBundle(bundle string, s *specs.Spec) error {
	bundle, err := filepath.Abs(bundle)
	if err != nil {
		return err
	}
	changed, err := comparableSpec(bundle, s)
	if err != nil {
		return err
	}
	if filepath.Base(r.Path) == "crun" {
		changed.Version = "1.0.2" // older ones refuse versions that they do not know
	}
	text, err := json.Marshal(changed)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(r.dir, "bundle"), 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.dir, "bundle", "config.json"), text, 0o600)
}

// comparableSpec returns a copy of a specification that has no terminal, and names the
// files of the bundle by absolute paths.
func comparableSpec(bundle string, s *specs.Spec) (*specs.Spec, error) {
	if s.Process == nil {
		return nil, errors.New("config.json: process: must be given to start a container")
	}
	changed, root, process := *s, *s.Root, *s.Process
	changed.Root, changed.Process, changed.Mounts = &root, &process, slices.Clone(s.Mounts)
	if !filepath.IsAbs(root.Path) {
		root.Path = filepath.Join(bundle, root.Path)
	}
	for i := range changed.Mounts {
		m := &changed.Mounts[i]
		bind := m.Type == "bind" || slices.Contains(m.Options, "bind") || slices.Contains(m.Options, "rbind")
		if bind && !filepath.IsAbs(m.Source) {
			m.Source = filepath.Join(bundle, m.Source)
		}
	}
	process.Terminal, process.ConsoleSize = false, nil
	return &changed, nil
}

// containerID returns the container's ID, the same under every runtime because it is in cgroup
// paths.
func containerID() string { return "compare-" + strconv.Itoa(os.Getpid()) }

func (r *Runtime) run(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, r.Path, append([]string{"--root", filepath.Join(r.dir, "state")}, args...)...)
	// start would wait until the program reports to the caller's service manager.
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "NOTIFY_SOCKET=") })
	// A file: the container would keep a pipe open.
	log, err := os.Create(filepath.Join(r.dir, "log"))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Run(); err != nil {
		text, _ := os.ReadFile(log.Name())
		return fmt.Errorf("%s: %w: %s", args[0], err, strings.TrimSpace(string(text)))
	}
	return nil
}

// create creates the container. A runtime that was killed has not cleaned up.
func (r *Runtime) create(ctx context.Context) error {
	err := r.run(ctx, "create", "--bundle", filepath.Join(r.dir, "bundle"), "--pid-file", filepath.Join(r.dir, "pid"),
		containerID())
	if err != nil {
		return errors.Join(err, r.remove())
	}
	return nil
}

func (r *Runtime) remove() error {
	return r.run(context.Background(), "delete", "--force", containerID())
}

// collectFacts starts the container up to the execve of its program and reads the facts.
func (r *Runtime) collectFacts(ctx context.Context) (facts map[string]string, err error) {
	if err := r.create(ctx); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.remove()) }()
	text, err := os.ReadFile(filepath.Join(r.dir, "pid"))
	if err != nil {
		return nil, err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, fmt.Errorf("pid file: %w", err)
	}
	start := func() error { return r.run(ctx, "start", containerID()) }
	err = traceExec(ctx, pid, start, func() { facts = r.readFacts(pid) })
	return facts, err
}
