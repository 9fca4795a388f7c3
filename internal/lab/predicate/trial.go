package predicate

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/lab/words"
)

// A Trial is a run of the learner's bundle by the check itself. The learner's own container is not
// touched, and nothing is left afterwards.
type Trial struct {
	cmd    *exec.Cmd
	output lockedBuffer
	done   chan struct{}
	token  string
	part   string
}

// lockedBuffer collects the output of a trial while it runs.
type lockedBuffer struct {
	sync.Mutex
	data bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.Lock()
	defer b.Unlock()
	if b.data.Len() > longestFile {
		return len(p), nil
	}
	return b.data.Write(p)
}

func (b *lockedBuffer) String() string {
	b.Lock()
	defer b.Unlock()
	return b.data.String()
}

// pollInterval is how often a trial looks at its processes.
const pollInterval = 10 * time.Millisecond

// Try runs a copy of a bundle: with its config.json as it is, except for the mark, the cgroup, and the
// path of the root file system. Close must be called.
func (s *Scene) Try(ctx context.Context, bundle string) (*Trial, error) {
	return s.try(ctx, bundle, nil)
}

// try is Try, with other arguments for the program if there are any.
func (s *Scene) try(ctx context.Context, bundle string, args []string) (*Trial, error) {
	part := newTrialPart()
	copied, err := s.copyBundle(bundle, part, args)
	if err != nil {
		return nil, err
	}
	return s.startTrial(ctx, part, append(slices.Clone(s.Runtime), "run", copied))
}

// newTrialPart returns the part in the mark of the processes of one trial. It is random, so that the
// learner's processes cannot have it.
func newTrialPart() string { return "trial-" + rand.Text() }

// startTrial starts a runtime that runs a container with the mark of a trial.
func (s *Scene) startTrial(ctx context.Context, part string, words []string) (*Trial, error) {
	t := &Trial{done: make(chan struct{}), token: s.Values["token"], part: part}
	t.cmd = exec.CommandContext(ctx, words[0], words[1:]...)
	t.cmd.Dir, t.cmd.Env = s.Dir, s.Env
	if s.PrivateMounts {
		t.cmd.SysProcAttr = &unix.SysProcAttr{Unshareflags: unix.CLONE_NEWNS}
	}
	t.cmd.Stdout, t.cmd.Stderr = &t.output, &t.output
	t.cmd.Cancel = func() error { return t.cmd.Process.Signal(unix.SIGTERM) }
	t.cmd.WaitDelay = 10 * time.Second
	if err := t.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = t.cmd.Wait() // the status is in ProcessState
		close(t.done)
	}()
	return t, nil
}

// copyBundle writes a bundle for a trial, which shares the root file system with the learner's.
func (s *Scene) copyBundle(bundle, part string, args []string) (dir string, err error) {
	text, err := readLearnerFile(s, filepath.Join(bundle, "config.json"))
	isMissing := errors.Is(err, fs.ErrNotExist)
	if err != nil && !isMissing {
		return "", err
	}
	dir, err = os.MkdirTemp(s.Work, "trial-")
	if err != nil {
		return "", err
	}
	if err := os.Chmod(dir, 0o755); err != nil || isMissing {
		return dir, err
	}
	// What cannot be parsed is passed on as it is: the runtime's error is the answer.
	var config map[string]any
	if json.Unmarshal([]byte(text), &config) == nil {
		adapt(config, filepath.Join(s.Dir, bundle), Mark(s.Values["token"], part), "/minirun-labs/trial-"+s.Values["token"])
		if process, ok := config["process"].(map[string]any); ok && args != nil {
			process["args"] = args
		}
		changed, err := json.Marshal(config)
		if err != nil {
			return "", err
		}
		text = string(changed)
	}
	return dir, os.WriteFile(filepath.Join(dir, "config.json"), []byte(text), 0o644)
}

// adapt changes a config.json for another bundle directory.
func adapt(config map[string]any, bundle, mark, cgroup string) {
	if root, ok := config["root"].(map[string]any); ok {
		if path, ok := root["path"].(string); ok && !filepath.IsAbs(path) {
			root["path"] = filepath.Join(bundle, path)
		}
	}
	mounts, _ := config["mounts"].([]any)
	for _, m := range mounts {
		if mount, ok := m.(map[string]any); ok && mount["type"] == "bind" {
			if source, ok := mount["source"].(string); ok && source != "" && !filepath.IsAbs(source) {
				mount["source"] = filepath.Join(bundle, source)
			}
		}
	}
	if process, ok := config["process"].(map[string]any); ok {
		env, _ := process["env"].([]any)
		env = slices.DeleteFunc(env, func(v any) bool {
			text, ok := v.(string)
			return ok && strings.HasPrefix(text, MarkVariable+"=")
		})
		process["env"] = append(env, MarkVariable+"="+mark)
	}
	if linux, ok := config["linux"].(map[string]any); ok {
		linux["cgroupsPath"] = cgroup
	}
}

// Process waits until the container's first process runs its program, and returns it. It returns nil if
// the runtime exits before.
func (t *Trial) Process(ctx context.Context) *Process {
	for {
		if found := firsts(Marked(t.token), t.part); len(found) > 0 {
			return &found[0]
		}
		select {
		case <-t.done:
			return nil
		case <-ctx.Done():
			return nil
		case <-time.After(pollInterval):
		}
	}
}

// Ended waits until the runtime exits, and reports whether it did in time.
func (t *Trial) Ended(limit time.Duration) bool {
	select {
	case <-t.done:
		return true
	case <-time.After(limit):
		return false
	}
}

// Status returns the exit status after the end.
func (t *Trial) Status() int { return t.cmd.ProcessState.ExitCode() }

// Output returns what the runtime and the container have printed.
func (t *Trial) Output() string { return t.output.String() }

// Close kills what still runs.
func (t *Trial) Close() {
	for range 50 {
		for _, p := range Marked(t.token) {
			if p.Part == t.part {
				_ = unix.Kill(p.PID, unix.SIGKILL)
			}
		}
		if t.Ended(100*time.Millisecond) && len(firsts(Marked(t.token), t.part)) == 0 {
			return
		}
	}
	_ = t.cmd.Process.Kill()
}

// startPatience is how long a trial may take to start or to end, and runs its limit if nothing else is said.
const startPatience = 20 * time.Second

// starts runs a bundle of the learner.
type starts struct {
	Bundle string `yaml:"bundle"`
	// It is expected to run on (running), to exit with a status, or not to start: then the error has
	// this text.
	Running bool   `yaml:"running"`
	Exits   *int   `yaml:"exits"`
	Prints  string `yaml:"prints"`
	Error   string `yaml:"error"`
}

func (q *starts) Holds(ctx context.Context, s *Scene) (*Failure, error) {
	if q.Bundle == "" {
		return nil, errors.New("starts: bundle is missing")
	}
	t, err := s.Try(ctx, q.Bundle)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	look := "./minirun run " + q.Bundle
	p := t.Process(ctx)
	if q.Running {
		if p == nil {
			return fail(words.New("%s starts and runs on", q.Bundle), words.New("%s", shorten(t.Output())), "%s", look)
		}
		return nil, nil
	}
	if !t.Ended(startPatience) {
		return fail(words.New("%s exits", q.Bundle), words.New("it still runs after %v", startPatience), "%s", look)
	}
	output := strings.TrimSpace(t.Output())
	switch {
	case q.Error != "" && (t.Status() == 0 || !strings.Contains(output, q.Error)):
		return fail(words.New("%s does not start, and the error names %q", q.Bundle, q.Error),
			words.New("status %d: %s", t.Status(), shorten(output)), "%s", look)
	case q.Exits != nil && t.Status() != *q.Exits:
		return fail(words.New("%s exits with status %d", q.Bundle, *q.Exits),
			words.New("status %d: %s", t.Status(), shorten(output)), "%s", look)
	case q.Prints != "" && !strings.Contains(output, q.Prints):
		return fail(words.New("%s prints %q", q.Bundle, q.Prints), words.New("%q", shorten(output)), "%s", look)
	}
	return nil, nil
}

// stops asks whether the program of a bundle exits soon after a signal, and leaves no zombie meanwhile.
type stops struct {
	Bundle  string        `yaml:"bundle"`
	Within  time.Duration `yaml:"within"`
	Signal  string        `yaml:"signal"`  // SIGTERM without one
	Zombies bool          `yaml:"zombies"` // before the signal, orphans were reaped
}

func (q *stops) Holds(ctx context.Context, s *Scene) (*Failure, error) {
	t, err := s.Try(ctx, q.Bundle)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	p := t.Process(ctx)
	if p == nil {
		return fail(words.New("%s starts and runs on", q.Bundle), words.New("%s", shorten(t.Output())), "./minirun run %s", q.Bundle)
	}
	t.settle() // the program installs its handlers
	if q.Zombies {
		time.Sleep(time.Second) // its children become orphans
		if zombies := zombiesOf(p); len(zombies) > 0 {
			return fail(words.New("no zombie in the container"), words.New("zombies: %v", zombies), "ps -o pid,ppid,stat,args --ppid %d", p.PID)
		}
	}
	signal := unix.SIGTERM
	if q.Signal != "" {
		signal = unix.SignalNum(q.Signal)
	}
	if err := unix.Kill(p.PID, signal); err != nil {
		return nil, fmt.Errorf("send %s to process %d: %w", unix.SignalName(signal), p.PID, err)
	}
	if !t.Ended(q.Within) {
		return fail(words.New("process 1 ends within %v after %s", q.Within, unix.SignalName(signal)),
			words.New("it still runs"), "grep Sig /proc/PID/status")
	}
	return nil, nil
}

// settled is how long all processes of a trial must sleep until it counts as started.
const settled = 300 * time.Millisecond

// settle waits until all processes of a trial wait for something, at most for startPatience.
func (t *Trial) settle() {
	asleep := time.Now()
	for deadline := asleep.Add(startPatience); time.Now().Before(deadline) && time.Since(asleep) < settled; {
		for _, p := range Marked(t.token) {
			if p.Part == t.part && !strings.HasPrefix(p.Status["State"], "S") {
				asleep = time.Now()
			}
		}
		if t.Ended(pollInterval) {
			return
		}
	}
}

// zombiesOf returns the zombies in a process's PID namespace.
func zombiesOf(p *Process) (pids []string) {
	for _, status := range statusesIn(p) {
		if strings.HasPrefix(status["State"], "Z") {
			pids = append(pids, status["Pid"])
		}
	}
	return pids
}
