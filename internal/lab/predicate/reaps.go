package predicate

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/lab/scene"
	"github.com/minirun/minirun/internal/lab/words"
	"github.com/minirun/minirun/internal/ownthread"
)

// reaps asks whether process 1 of a bundle waits for orphans. The check itself leaves one in the
// container, so that the answer does not depend on what the learner's programs do.
type reaps struct {
	Bundle string `yaml:"bundle"`
}

// reapPatience is how long process 1 may take to wait for an orphan that ended.
const reapPatience = time.Second

func (q *reaps) Holds(ctx context.Context, s *scene.Scene) (*scene.Failure, error) {
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
	if !p.IsInit() {
		return scene.Fail(words.New("a process that is number 1 in a PID namespace below the host's"),
			words.New("process %d has the numbers %s", p.PID, p.Status["NSpid"]),
			"grep -A 20 namespaces %s/config.json", q.Bundle)
	}
	orphan, err := leaveOrphan(p)
	if err != nil {
		if t.Ended(scene.PollInterval) {
			return scene.Fail(words.New("%s starts and runs on", q.Bundle), words.New("%s", scene.Shorten(t.Output())),
				"./minirun run %s", q.Bundle)
		}
		return nil, fmt.Errorf("start a process in the container: %w", err)
	}
	left := zombiesOf(p)
	for deadline := time.Now().Add(orphanLives + reapPatience); time.Now().Before(deadline); {
		if left = zombiesOf(p); len(left) == 0 && !existsIn(p, orphan) {
			return nil, nil
		}
		time.Sleep(scene.PollInterval)
	}
	return scene.Fail(words.New("process 1 waits for an orphan that the check left in the container"),
		words.New("zombies: %v", left), "./minirun run -d one %s; ./minirun exec one ps -o pid,ppid,stat,args", q.Bundle)
}

// orphanLives is how long the orphan runs. Its parent has exited by then.
const orphanLives = 100 * time.Millisecond

// leaveOrphan runs a shell of the host in the PID namespace of a process. The shell exits before its
// child, which the kernel gives to process 1 (pid_namespaces(7)). It returns the child's number there.
func leaveOrphan(p *scene.Process) (number int, err error) {
	namespace, err := os.Open(p.Proc("ns/pid"))
	if err != nil {
		return 0, err
	}
	defer namespace.Close()
	var out []byte
	err = ownthread.Run(func() error {
		if err := unix.Setns(int(namespace.Fd()), unix.CLONE_NEWPID); err != nil {
			return fmt.Errorf("join the PID namespace of process %d: %w", p.PID, err)
		}
		cmd := exec.Command("/bin/sh", "-c", fmt.Sprintf("sleep %g >/dev/null & echo $!", orphanLives.Seconds()))
		cmd.Env = []string{"PATH=/usr/bin:/bin"}
		out, err = cmd.Output()
		return err
	})
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(out)))
}

// existsIn reports whether there is a process with a number in the PID namespace of another one.
func existsIn(p *scene.Process, number int) bool {
	for _, status := range statusesIn(p) {
		numbers := strings.Fields(status["NSpid"])
		if len(numbers) > 0 && numbers[len(numbers)-1] == strconv.Itoa(number) {
			return true
		}
	}
	return false
}

// statusesIn returns /proc/PID/status of all processes in the PID namespace of a process.
func statusesIn(p *scene.Process) (all []map[string]string) {
	ours, err := os.Readlink(p.Proc("ns/pid"))
	if err != nil {
		return nil
	}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		if theirs, err := os.Readlink(filepath.Join("/proc", e.Name(), "ns/pid")); err == nil && theirs == ours {
			all = append(all, scene.ReadStatus(filepath.Join("/proc", e.Name(), "status")))
		}
	}
	return all
}
