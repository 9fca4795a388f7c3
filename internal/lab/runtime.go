package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/lab/course"
	"github.com/minirun/minirun/internal/lab/predicate"
	"github.com/minirun/minirun/internal/lab/words"
	"github.com/minirun/minirun/internal/lab/workspace"
)

// ErrNoRuntimeChecks is the cause if a lab does not say which of its checks a runtime can decide.
var ErrNoRuntimeChecks = errors.New("none of its checks can be decided by a runtime")

// startPatience is how long another runtime may take to start a container, and settlePatience how long
// what is checked may take to become true then.
const (
	startPatience  = 10 * time.Second
	settlePatience = 5 * time.Second
)

// CheckRuntime starts the bundles of a lab's reference solution with another runtime, PROGRAM run BUNDLE,
// and asks the checks that a runtime can decide. The others are skipped. The learner's own lab is not
// touched: it need not even be started.
func (s *Session) CheckRuntime(ctx context.Context, l *course.Lab, program string) (r *Report, err error) {
	if l.Runtime == nil {
		return nil, fmt.Errorf("lab %s: %w", l.Number, ErrNoRuntimeChecks)
	}
	s, remove, err := s.scratch()
	if err != nil {
		return nil, err
	}
	defer remove()
	w, err := s.Start(ctx, l)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.Leave(context.WithoutCancel(ctx))) }()
	if output, err := perform(ctx, w, l.Solution()); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, output)
	}
	if err := w.Stop(ctx); err != nil {
		return nil, err
	}
	checks, err := predicate.Parse(l, w.Values)
	if err != nil {
		return nil, fmt.Errorf("lab.yaml: %w", err)
	}
	runs := startBundles(w, program)
	defer runs.kill()
	failure := runs.wait(ctx, s.Minirun)
	scene, err := w.Scene([]string{program})
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(scene.Work) }()
	r, err = askRuntime(ctx, checks, l.Runtime.Checks, scene, failure)
	if err == nil {
		r.Values = w.Values
	}
	return r, err
}

// askRuntime asks the checks that a runtime decides until they hold. If the containers did not start, that
// is why they fail.
func askRuntime(ctx context.Context, checks []predicate.Check, decides []string, scene *predicate.Scene,
	failure *predicate.Failure) (*Report, error) {
	deadline := time.Now().Add(settlePatience)
	r := &Report{}
	for _, c := range checks {
		result := Result{ID: c.ID, Kind: c.Kind, Failure: failure}
		if !slices.Contains(decides, c.ID) {
			result.Failure, result.Skipped = nil, words.New("it does not concern the runtime")
			r.Results = append(r.Results, result)
			continue
		}
		for failure == nil {
			var err error
			result, err = ask(ctx, c, scene)
			if err != nil {
				return nil, err
			}
			if result.Failure == nil || time.Now().After(deadline) || ctx.Err() != nil {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		r.Results = append(r.Results, result)
	}
	return r, ctx.Err()
}

// bundleRuns are containers that another runtime runs.
type bundleRuns struct {
	w       *workspace.Workspace
	program string
	runs    []*bundleRun
}

type bundleRun struct {
	part   string
	cmd    *exec.Cmd
	output *os.File
	err    error
	ended  chan struct{}
}

// startBundles runs PROGRAM run BUNDLE for each bundle of lab.yaml, in the background.
func startBundles(w *workspace.Workspace, program string) *bundleRuns {
	all := &bundleRuns{w: w, program: program}
	for _, b := range w.Lab.Runtime.Bundles {
		one := &bundleRun{part: filepath.Base(b), ended: make(chan struct{})}
		all.runs = append(all.runs, one)
		one.cmd = exec.Command(program, "run", filepath.Join(w.Dir(), b))
		one.cmd.Dir, one.cmd.Env = w.Dir(), w.Environment()
		one.cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
		// A file: the container would keep a pipe open.
		one.output, one.err = os.CreateTemp("", "lab-output-")
		if one.err == nil {
			_ = os.Remove(one.output.Name())
			one.cmd.Stdout, one.cmd.Stderr = one.output, one.output
			one.err = one.cmd.Start()
		}
		if one.err != nil {
			close(one.ended)
			continue
		}
		go func() {
			_ = one.cmd.Wait() // its output says why it ended
			close(one.ended)
		}()
	}
	return all
}

// kill kills the runtimes. Their containers are killed with everything else that has the lab's mark.
func (a *bundleRuns) kill() {
	for _, r := range a.runs {
		if r.err == nil {
			_ = unix.Kill(-r.cmd.Process.Pid, unix.SIGKILL)
			<-r.ended
		}
		if r.output != nil {
			_ = r.output.Close()
		}
	}
}

// wait waits until each bundle has a process, and returns why one has none, or that it is not a container
// of the learner's runtime.
func (a *bundleRuns) wait(ctx context.Context, minirun string) *predicate.Failure {
	deadline := time.Now().Add(startPatience)
	for _, r := range a.runs {
		for {
			p := predicate.First(a.w.Values[course.Token], r.part)
			if p != nil {
				if failure := a.judge(r, p, minirun); failure != nil {
					return failure
				}
				break
			}
			select {
			case <-r.ended:
				return a.fail(r, words.New("%s", r.text()))
			case <-time.After(10 * time.Millisecond):
			}
			if time.Now().After(deadline) || ctx.Err() != nil {
				return a.fail(r, words.New("no process with the variables of config.json after %v. %s", startPatience, r.text()))
			}
		}
	}
	return nil
}

func (a *bundleRuns) fail(r *bundleRun, found words.Text) *predicate.Failure {
	command := a.program + " run " + r.part
	return &predicate.Failure{Expected: words.New("%s starts a container, and exits when it ends", command), Found: found,
		Look: "sudo " + command}
}

// text returns what a runtime printed.
func (r *bundleRun) text() string {
	if r.err != nil {
		return r.err.Error()
	}
	data := make([]byte, 400)
	n, _ := r.output.ReadAt(data, 0)
	if text := strings.TrimSpace(string(data[:n])); text != "" || r.cmd.ProcessState == nil {
		return text
	}
	return r.cmd.ProcessState.String()
}

// judge refuses a container that is not below the learner's runtime, or that another runtime has started.
func (a *bundleRuns) judge(r *bundleRun, p *predicate.Process, minirun string) *predicate.Failure {
	above := p.Ancestors()
	at := slices.Index(above, r.cmd.Process.Pid)
	if at < 0 {
		return a.fail(r, words.New("process %d is not below it", p.PID))
	}
	for _, pid := range above[:at+1] {
		if name := knownRuntime(pid, minirun); name != "" {
			return a.fail(r, words.New("it is %s that starts the container", name))
		}
	}
	return nil
}
