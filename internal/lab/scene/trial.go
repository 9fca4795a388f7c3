package scene

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A Trial is a run of the learner's bundle by the check itself. The learner's own container is not
// touched, and nothing is left afterwards.
type Trial struct {
	cmd    *exec.Cmd
	output lockedBuffer
	done   chan struct{}
	Token  string
	Part   string
}

// lockedBuffer collects the output of a trial while it runs.
type lockedBuffer struct {
	sync.Mutex
	data bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.Lock()
	defer b.Unlock()
	if b.data.Len() > LongestFile {
		return len(p), nil
	}
	return b.data.Write(p)
}

func (b *lockedBuffer) String() string {
	b.Lock()
	defer b.Unlock()
	return b.data.String()
}

// PollInterval is how often a trial looks at its processes.
const PollInterval = 10 * time.Millisecond

// Try runs a copy of a bundle: with its config.json as it is, except for the mark, the cgroup, and the
// path of the root file system. Close must be called.
func (s *Scene) Try(ctx context.Context, bundle string) (*Trial, error) {
	return s.TryWith(ctx, bundle, nil)
}

// TryWith is Try, with other arguments for the program if there are any.
func (s *Scene) TryWith(ctx context.Context, bundle string, args []string) (*Trial, error) {
	part := NewTrialPart()
	copied, err := s.CopyBundle(bundle, part, args)
	if err != nil {
		return nil, err
	}
	return s.StartTrial(ctx, part, append(slices.Clone(s.Runtime), "run", copied))
}

// NewTrialPart returns the part in the mark of the processes of one trial. It is random, so that the
// learner's processes cannot have it.
func NewTrialPart() string { return "trial-" + rand.Text() }

// StartTrial starts a runtime that runs a container with the mark of a trial.
func (s *Scene) StartTrial(ctx context.Context, part string, words []string) (*Trial, error) {
	t := &Trial{done: make(chan struct{}), Token: s.Values["token"], Part: part}
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

// CopyBundle writes a bundle for a trial, which shares the root file system with the learner's.
func (s *Scene) CopyBundle(bundle, part string, args []string) (dir string, err error) {
	text, err := ReadLearnerFile(s, filepath.Join(bundle, "config.json"))
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
		Adapt(config, filepath.Join(s.Dir, bundle), Mark(s.Values["token"], part), "/minirun-labs/trial-"+s.Values["token"])
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

// isBind reports whether an entry of mounts is a bind mount: by its type or by its options (config.md, "Mounts").
func isBind(mount map[string]any) bool {
	options, _ := mount["options"].([]any)
	return mount["type"] == "bind" || slices.Contains(options, any("bind")) || slices.Contains(options, any("rbind"))
}

// Adapt changes a config.json for another bundle directory.
func Adapt(config map[string]any, bundle, mark, cgroup string) {
	if root, ok := config["root"].(map[string]any); ok {
		if path, ok := root["path"].(string); ok && !filepath.IsAbs(path) {
			root["path"] = filepath.Join(bundle, path)
		}
	}
	mounts, _ := config["mounts"].([]any)
	for _, m := range mounts {
		if mount, ok := m.(map[string]any); ok && isBind(mount) {
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
		if found := Firsts(Marked(t.Token), t.Part); len(found) > 0 {
			return &found[0]
		}
		select {
		case <-t.done:
			return nil
		case <-ctx.Done():
			return nil
		case <-time.After(PollInterval):
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
		for _, p := range Marked(t.Token) {
			if p.Part == t.Part {
				_ = unix.Kill(p.PID, unix.SIGKILL)
			}
		}
		if t.Ended(100*time.Millisecond) && len(Firsts(Marked(t.Token), t.Part)) == 0 {
			return
		}
	}
	_ = t.cmd.Process.Kill()
}

// StartPatience is how long a trial may take to start or to end, and runs its limit if nothing else is said.
const StartPatience = 20 * time.Second
