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
	"github.com/minirun/minirun/internal/lab/scene"
	"github.com/minirun/minirun/internal/lab/words"
	"github.com/minirun/minirun/internal/lab/workspace"
	"github.com/minirun/minirun/internal/ownthread"
)

// ErrNoRuntimeChecks is the cause if a lab does not say which of its checks a runtime can decide.
var ErrNoRuntimeChecks = errors.New("none of its checks can be decided by a runtime")

// startPatience is how long another runtime may take to start a container, and settlePatience how long
// what is checked may take to become true then.
const (
	startPatience  = 15 * time.Second
	settlePatience = 5 * time.Second
)

// CheckRuntime starts the bundles of a lab with another runtime, PROGRAM run BUNDLE, and asks the checks that
// a runtime can decide. The others are skipped. The learner's own lab is not touched: it need not even be
// started.
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
	if output, err := perform(ctx, w, l.ForRuntime()); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, output)
	}
	if err := w.Stop(ctx); err != nil {
		return nil, err
	}
	checks, err := predicate.Parse(l, w.Values)
	if err != nil {
		return nil, fmt.Errorf("lab.yaml: %w", err)
	}
	runs := &bundleRuns{w: w, program: program}
	defer runs.kill()
	failure := runs.start(ctx, s.Minirun)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	at, err := w.Scene([]string{program})
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(at.Work) }()
	at.PrivateMounts = true
	r, err = askRuntime(ctx, checks, l.Runtime.Checks, at, failure)
	if err == nil {
		r.Values = w.Values
	}
	return r, err
}

// askRuntime asks the checks that a runtime decides until they hold. If the containers did not start, that
// is why they fail.
func askRuntime(ctx context.Context, checks []predicate.Check, decides []string, at *scene.Scene,
	failure *scene.Failure) (*Report, error) {
	deadline := time.Now().Add(settlePatience)
	r := &Report{}
	for _, c := range checks {
		result := Result{ID: c.ID, Kind: c.Kind, Failure: failure}
		if !slices.Contains(decides, c.ID) {
			result.Failure, result.Skipped = nil, words.New("it does not depend on the runtime alone")
			r.Results = append(r.Results, result)
			continue
		}
		for failure == nil {
			var err error
			result, err = ask(ctx, c, at)
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
	bundle string
	mounts string // the mount namespace in which it was started
	cmd    *exec.Cmd
	output *os.File
	err    error
	ended  chan struct{}
}

// start runs PROGRAM run BUNDLE for each bundle of lab.yaml in the background, one after the other. It returns
// why one has no process, or that it is not a container of the learner's runtime.
func (a *bundleRuns) start(ctx context.Context, minirun string) *scene.Failure {
	for _, bundle := range a.w.Lab.Runtime.Bundles {
		r := a.startOne(bundle)
		a.runs = append(a.runs, r)
		if failure := a.wait(ctx, r, minirun); failure != nil {
			return failure
		}
	}
	return nil
}

func (a *bundleRuns) startOne(bundle string) *bundleRun {
	r := &bundleRun{bundle: bundle, ended: make(chan struct{})}
	r.cmd = exec.Command(a.program, "run", filepath.Join(a.w.Dir(), bundle))
	r.cmd.Dir, r.cmd.Env = a.w.Dir(), a.w.Environment()
	r.cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	// A file: the container would keep a pipe open.
	r.output, r.err = os.CreateTemp("", "lab-output-")
	if r.err == nil {
		_ = os.Remove(r.output.Name())
		r.cmd.Stdout, r.cmd.Stderr = r.output, r.output
		r.err = r.startPrivately()
	}
	if r.err != nil {
		close(r.ended)
		return r
	}
	go func() {
		_ = r.cmd.Wait() // its output says why it ended
		close(r.ended)
	}()
	return r
}

// startPrivately starts the runtime in a separate mount namespace: a mistake with pivot_root does not hit
// the host.
func (r *bundleRun) startPrivately() error {
	return ownthread.Run(func() (err error) {
		if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
			return os.NewSyscallError("unshare", err)
		}
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			return os.NewSyscallError("mount", err)
		}
		r.mounts, err = os.Readlink("/proc/thread-self/ns/mnt")
		if err != nil {
			return err
		}
		return r.cmd.Start()
	})
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

// wait waits until a bundle has a process.
func (a *bundleRuns) wait(ctx context.Context, r *bundleRun, minirun string) *scene.Failure {
	for deadline := time.Now().Add(startPatience); ; time.Sleep(10 * time.Millisecond) {
		ended := r.hasEnded() // before the processes are listed
		p, other := a.find(r)
		late := time.Now().After(deadline) || ctx.Err() != nil
		switch {
		case p != nil:
			return a.judge(r, p, minirun)
		case (late || ended) && other != nil:
			return a.fail(r, words.New("process %d is not below it", other.PID))
		case ended:
			return a.fail(r, words.New("%s", r.text()))
		case late:
			return a.fail(r, words.New("no process with the variables of config.json after %v. %s", startPatience, r.text()))
		}
	}
}

// find returns the first process of the lab below a runtime, or else one that is below none of them.
func (a *bundleRuns) find(r *bundleRun) (p, other *scene.Process) {
	for _, one := range scene.Marked(a.w.Values[course.Token]) {
		above := lineage(&one)
		if r.isIn(above) {
			return &one, nil
		}
		if !slices.ContainsFunc(a.runs, func(r *bundleRun) bool { return r.isIn(above) }) {
			other = &one
		}
	}
	return nil, other
}

// lineage returns the numbers of a process and of those above it: a runtime may become the program itself.
func lineage(p *scene.Process) []int { return append([]int{p.PID}, p.Ancestors()...) }

// isIn reports whether a runtime was started and has one of these numbers.
func (r *bundleRun) isIn(pids []int) bool {
	return r.err == nil && slices.Contains(pids, r.cmd.Process.Pid)
}

func (r *bundleRun) hasEnded() bool {
	select {
	case <-r.ended:
		return true
	default:
		return false
	}
}

func (a *bundleRuns) fail(r *bundleRun, found words.Text) *scene.Failure {
	command := a.program + " run " + r.bundle
	return &scene.Failure{Expected: words.New("%s starts a container, and exits when it ends", command), Found: found,
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

// judge refuses a container that another runtime has started, or that has the mount namespace in which its
// runtime was started.
func (a *bundleRuns) judge(r *bundleRun, p *scene.Process, minirun string) *scene.Failure {
	above := lineage(p)
	for _, pid := range above[:slices.Index(above, r.cmd.Process.Pid)+1] {
		if name := knownRuntime(pid, minirun); name != "" {
			return a.fail(r, words.New("it is %s that starts the container", name))
		}
	}
	if mounts, err := os.Readlink(p.Proc("ns/mnt")); err == nil && mounts == r.mounts {
		return a.fail(r, words.New("its container does not have its own mount namespace"))
	}
	return nil
}
