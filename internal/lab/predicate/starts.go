package predicate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/lab/words"
)

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
