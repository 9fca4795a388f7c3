package security

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/lab/scene"
	"github.com/minirun/minirun/internal/lab/words"
	"github.com/minirun/minirun/internal/seccomp"
)

// syscalls asks what system calls return in a bundle's container. Calls that this architecture does not
// have are left out.
type syscalls struct {
	Bundle string   `yaml:"bundle"`
	Calls  []string `yaml:"calls"`
	Errno  string   `yaml:"errno"` // each fails with this errno, a number; without one, as without a filter
	But    int      `yaml:"but"`   // except that many at most
}

func (q *syscalls) Holds(ctx context.Context, s *scene.Scene) (*scene.Failure, error) {
	look := "grep -A 20 seccomp " + filepath.Join(q.Bundle, "config.json")
	forbidden := 0
	if q.Errno != "" {
		n, err := strconv.Atoi(q.Errno)
		if err != nil {
			return nil, fmt.Errorf("errno %q is not a number", q.Errno)
		}
		forbidden = n
	}
	var other []string
	for _, name := range q.Calls {
		number, ok := seccomp.NativeNumber(name)
		if !ok {
			continue
		}
		natural, err := probeHere(number)
		if err != nil {
			return nil, err
		}
		want := natural
		if forbidden != 0 {
			want = unix.Errno(forbidden)
		}
		status, output, err := probe(ctx, s, q.Bundle, number)
		if err != nil {
			return nil, err
		}
		found, ok := probeResult(status)
		switch {
		case !ok:
			return scene.Fail(words.New("%s starts, and its system calls can be tried", q.Bundle),
				words.New("status %d: %s", status, scene.Shorten(output)), "./minirun run %s", q.Bundle)
		case found == want:
			continue
		}
		other = append(other, name)
		if len(other) > q.But {
			return scene.Fail(q.expected(name, want), describeCall(other, found, natural), "%s", look)
		}
	}
	return nil, nil
}

func (q *syscalls) expected(name string, want unix.Errno) words.Text {
	switch {
	case q.Errno == "":
		return words.New("%s works as without a filter", name)
	case q.But > 0:
		return words.New("at most %d of these calls works, and the others fail with %s: %s", q.But, unix.ErrnoName(want),
			strings.Join(q.Calls, " "))
	}
	return words.New("%s fails with %s", name, unix.ErrnoName(want))
}

func describeCall(names []string, found, natural unix.Errno) words.Text {
	if len(names) > 1 {
		return words.New("these do not fail so: %s", strings.Join(names, " "))
	}
	if found == natural {
		return words.New("no filter forbids it: the kernel looks at its arguments")
	}
	return words.New("it fails with %s", unix.ErrnoName(found))
}

// probe makes a system call in a container from a copy of a bundle, and returns the exit status.
func probe(ctx context.Context, s *scene.Scene, bundle string, number int) (status int, output string, err error) {
	program, err := os.Executable()
	if err != nil {
		return 0, "", err
	}
	const target = "/bin/busybox"
	t, err := tryChanged(ctx, s, bundle, func(config map[string]any) {
		mounts, _ := config["mounts"].([]any)
		config["mounts"] = append(mounts, map[string]any{"destination": target, "type": "bind", "source": program,
			"options": []string{"bind", "ro"}})
		if process, ok := config["process"].(map[string]any); ok {
			process["args"] = []string{target, probeCommand, strconv.Itoa(number)}
			process["terminal"] = false
		}
	})
	if err != nil {
		return 0, "", err
	}
	defer t.Close()
	if !t.Ended(scene.StartPatience) {
		return 0, "", fmt.Errorf("the probe of system call %d in %s did not end", number, bundle)
	}
	return t.Status(), strings.TrimSpace(t.Output()), nil
}

// tryChanged runs a copy of a bundle without its hooks, and with changes of the check.
func tryChanged(ctx context.Context, s *scene.Scene, bundle string,
	change func(config map[string]any)) (*scene.Trial, error) {
	part := scene.NewTrialPart()
	dir, err := s.CopyBundle(bundle, part, nil)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "config.json")
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var config map[string]any
	if json.Unmarshal(text, &config) == nil { // if not, the runtime's error is the answer
		delete(config, "hooks")
		change(config)
		text, err = json.Marshal(config)
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			return nil, err
		}
	}
	return s.StartTrial(ctx, part, append(slices.Clone(s.Runtime), "run", dir))
}

// becomes asks whether the program of the start state, in a container from the learner's config.json,
// gets so far that it executes another program. The learner's program and arguments do not count: they
// could be replaced by ones that do less.
type becomes struct {
	Bundle string   `yaml:"bundle"`
	Args   []string `yaml:"args"` // the argv of process 1 then
}

func (q *becomes) Holds(ctx context.Context, s *scene.Scene) (*scene.Failure, error) {
	start := filepath.Join(s.Start, q.Bundle)
	text, err := os.ReadFile(filepath.Join(start, "config.json"))
	if err != nil {
		return nil, err
	}
	var original struct{ Process struct{ Args []string } }
	if err := json.Unmarshal(text, &original); err != nil {
		return nil, err
	}
	t, err := tryChanged(ctx, s, q.Bundle, func(config map[string]any) {
		if root, ok := config["root"].(map[string]any); ok {
			root["path"], root["readonly"] = filepath.Join(start, "rootfs"), true
		}
		if process, ok := config["process"].(map[string]any); ok {
			process["args"], process["terminal"] = original.Process.Args, false
		}
	})
	if err != nil {
		return nil, err
	}
	defer t.Close()
	p := t.Process(ctx)
	var found []string
	deadline := time.Now().Add(scene.StartPatience)
	for p != nil && !t.Ended(scene.PollInterval) && time.Now().Before(deadline) {
		data, err := os.ReadFile(p.Proc("cmdline"))
		if err != nil || len(data) == 0 {
			continue // it ended
		}
		if found = splitArguments(data); slices.Equal(found, q.Args) {
			return nil, nil
		}
	}
	return scene.Fail(words.New("the program of %s becomes %q", q.Bundle, q.Args),
		words.New("%s", scene.Shorten(strings.TrimSpace(t.Output()))), "./minirun run %s", q.Bundle)
}
