// Package compare starts one bundle with two runtimes and compares what the kernel
// reports about the container's first process, at the moment when it has become the
// program and has not executed an instruction of it yet.
//
//	bundle ──copy──▶ create ──▶ ptrace ──▶ start ──▶ execve: stopped; read /proc ──▶ kill, delete
//
// The copy has no terminal, and absolute paths. The program never runs.
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
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/spec"
)

// A Runtime is a program with runc's command line.
type Runtime struct {
	Name, Path string
	dir        string // its working directory: bundle, state
	version    string // of the specification, if different from the bundle's
}

// A Difference is a fact that differs between the two runtimes.
type Difference struct {
	Fact  string `json:"fact"`
	Left  string `json:"left"`
	Right string `json:"right"`
	Why   string `json:"why,omitempty"` // "" if unknown
}

// A Result is the outcome of a comparison.
type Result struct {
	Left        string       `json:"left"`
	Right       string       `json:"right"`
	Facts       int          `json:"facts"` // number of facts compared
	Differences []Difference `json:"differences"`
	// Medians of `create` and of `delete --force`, in milliseconds.
	Create [2]float64 `json:"create"`
	Delete [2]float64 `json:"delete"`
	Rounds int        `json:"rounds"`
}

// Compare compares two runtimes; the bundle is not changed. When the context ends, the
// runtimes are killed and their containers deleted.
func Compare(ctx context.Context, bundle string, left, right Runtime, rounds int) (*Result, error) {
	s, _, err := spec.Load(bundle)
	if err != nil {
		return nil, err
	}
	work, err := os.MkdirTemp("", "minirun-compare-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(work) }()
	both := [2]*Runtime{&left, &right}
	var facts [2]map[string]string
	for i, r := range both {
		r.dir = filepath.Join(work, strconv.Itoa(i))
		if err := r.copyBundle(bundle, s); err != nil {
			return nil, err
		}
		if facts[i], err = r.facts(ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", r.Name, err)
		}
	}
	out := &Result{Left: left.Name, Right: right.Name, Rounds: rounds}
	out.Facts, out.Differences = differences(facts[0], facts[1])
	return out, out.time(ctx, both, rounds)
}

// MountsOnHost reports whether a container of the bundle would mount in the caller's
// mount namespace.
func MountsOnHost(bundle string) (bool, error) {
	s, _, err := spec.Load(bundle)
	if err != nil {
		return false, err
	}
	return s.Linux == nil || !slices.ContainsFunc(s.Linux.Namespaces, func(n specs.LinuxNamespace) bool {
		return n.Type == specs.MountNamespace
	}), nil
}

func differences(a, b map[string]string) (n int, out []Difference) {
	names := map[string]bool{}
	for name := range a {
		names[name] = true
	}
	for name := range b {
		names[name] = true
	}
	for name := range names {
		if a[name] != b[name] {
			out = append(out, Difference{name, a[name], b[name], why(name)})
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Fact < out[j].Fact })
	return len(names), out
}

// time measures both runtimes in turn.
func (res *Result) time(ctx context.Context, both [2]*Runtime, rounds int) error {
	var create, remove [2][]float64
	for range rounds {
		for i, r := range both {
			begin := time.Now()
			if err := r.create(ctx); err != nil {
				return fmt.Errorf("%s: %w", r.Name, err)
			}
			made := time.Now()
			if err := r.remove(); err != nil {
				return fmt.Errorf("%s: %w", r.Name, err)
			}
			create[i] = append(create[i], float64(made.Sub(begin).Microseconds())/1000)
			remove[i] = append(remove[i], float64(time.Since(made).Microseconds())/1000)
		}
	}
	for i := range both {
		res.Create[i], res.Delete[i] = median(create[i]), median(remove[i])
	}
	return nil
}

func median(list []float64) float64 {
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	return list[len(list)/2]
}

// copyBundle writes a config.json with which both start under the same conditions.
func (r *Runtime) copyBundle(bundle string, s *specs.Spec) error {
	bundle, err := filepath.Abs(bundle)
	if err != nil {
		return err
	}
	own := *s
	root := *s.Root
	if !filepath.IsAbs(root.Path) {
		root.Path = filepath.Join(bundle, root.Path)
	}
	own.Root, own.Mounts = &root, slices.Clone(s.Mounts)
	for i := range own.Mounts {
		m := &own.Mounts[i]
		bind := m.Type == "bind" || slices.Contains(m.Options, "bind") || slices.Contains(m.Options, "rbind")
		if bind && !filepath.IsAbs(m.Source) {
			m.Source = filepath.Join(bundle, m.Source)
		}
	}
	if s.Process == nil {
		return errors.New("config.json: process: must be given to start a container")
	}
	process := *s.Process
	process.Terminal, process.ConsoleSize, own.Process = false, nil, &process
	if r.version = ""; filepath.Base(r.Path) == "crun" {
		own.Version = "1.0.2" // older ones refuse versions that they do not know
	}
	text, err := json.Marshal(&own)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(r.dir, "bundle"), 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.dir, "bundle", "config.json"), text, 0o600)
}

// id returns the container's ID, the same under every runtime because it is in cgroup
// paths.
func id() string { return "compare-" + strconv.Itoa(os.Getpid()) }

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
	err := r.run(ctx, "create", "--bundle", filepath.Join(r.dir, "bundle"), "--pid-file", filepath.Join(r.dir, "pid"), id())
	if err != nil {
		return errors.Join(err, r.remove())
	}
	return nil
}

func (r *Runtime) remove() error { return r.run(context.Background(), "delete", "--force", id()) }

// facts starts the container up to the execve of its program and reads the facts.
func (r *Runtime) facts(ctx context.Context) (facts map[string]string, err error) {
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
	err = atExec(ctx, pid, func() error { return r.run(ctx, "start", id()) }, func() { facts = r.read(pid) })
	return facts, err
}
