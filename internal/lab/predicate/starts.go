package predicate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/lab/scene"
	"github.com/minirun/minirun/internal/lab/words"
)

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

func (q *starts) Holds(ctx context.Context, s *scene.Scene) (*scene.Failure, error) {
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
			return scene.Fail(words.New("%s starts and runs on", q.Bundle), words.New("%s", scene.Shorten(t.Output())), "%s",
				look)
		}
		return nil, nil
	}
	if !t.Ended(scene.StartPatience) {
		return scene.Fail(words.New("%s exits", q.Bundle), words.New("it still runs after %v", scene.StartPatience), "%s",
			look)
	}
	output := strings.TrimSpace(t.Output())
	switch {
	case q.Error != "" && (t.Status() == 0 || !strings.Contains(output, q.Error)):
		return scene.Fail(words.New("%s does not start, and the error names %q", q.Bundle, q.Error),
			words.New("status %d: %s", t.Status(), scene.Shorten(output)), "%s", look)
	case q.Exits != nil && t.Status() != *q.Exits:
		return scene.Fail(words.New("%s exits with status %d", q.Bundle, *q.Exits),
			words.New("status %d: %s", t.Status(), scene.Shorten(output)), "%s", look)
	case q.Prints != "" && !strings.Contains(output, q.Prints):
		return scene.Fail(words.New("%s prints %q", q.Bundle, q.Prints), words.New("%q", scene.Shorten(output)), "%s", look)
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

func (q *stops) Holds(ctx context.Context, s *scene.Scene) (*scene.Failure, error) {
	t, err := s.Try(ctx, q.Bundle)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	p := t.Process(ctx)
	if p == nil {
		return scene.Fail(words.New("%s starts and runs on", q.Bundle), words.New("%s", scene.Shorten(t.Output())),
			"./minirun run %s", q.Bundle)
	}
	settle(t) // the program installs its handlers
	if q.Zombies {
		time.Sleep(time.Second) // its children become orphans
		if zombies := zombiesOf(p); len(zombies) > 0 {
			return scene.Fail(words.New("no zombie in the container"), words.New("zombies: %v", zombies),
				"ps -o pid,ppid,stat,args --ppid %d", p.PID)
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
		return scene.Fail(words.New("process 1 ends within %v after %s", q.Within, unix.SignalName(signal)),
			words.New("it still runs"), "grep Sig /proc/PID/status")
	}
	return nil, nil
}

// settled is how long all processes of a trial must sleep until it counts as started.
const settled = 300 * time.Millisecond

// settle waits until all processes of a trial wait for something, at most for scene.StartPatience.
func settle(t *scene.Trial) {
	asleep := time.Now()
	for deadline := asleep.Add(scene.StartPatience); time.Now().Before(deadline) && time.Since(asleep) < settled; {
		for _, p := range scene.Marked(t.Token) {
			if p.Part == t.Part && !strings.HasPrefix(p.Status["State"], "S") {
				asleep = time.Now()
			}
		}
		if t.Ended(scene.PollInterval) {
			return
		}
	}
}

// zombiesOf returns the zombies in a process's PID namespace.
func zombiesOf(p *scene.Process) (pids []string) {
	for _, status := range statusesIn(p) {
		if strings.HasPrefix(status["State"], "Z") {
			pids = append(pids, status["Pid"])
		}
	}
	return pids
}
