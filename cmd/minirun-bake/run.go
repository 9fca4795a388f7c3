package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

var (
	errNotBuilt = errors.New("not built")
	errOther    = errors.New("another target failed")
)

// stopTimeout is how long minirun build may take to clean up after a signal. It exits after ten
// seconds by itself.
const stopTimeout = 15 * time.Second

// limits are the values of --jobs.
type limits struct {
	parallel  int  // 0: the number of processors
	keepGoing bool // after a failure, build the targets that do not depend on it
}

// parseJobs parses N, or MODE[,parallel=N].
func parseJobs(text string) (l limits, err error) {
	for field := range strings.SplitSeq(text, ",") {
		key, value, ok := strings.Cut(field, "=")
		if !ok {
			key, value = "mode", field
			if n, err := strconv.Atoi(field); err == nil {
				key, value = "parallel", strconv.Itoa(n)
			}
		}
		switch {
		case key == "parallel":
			if l.parallel, err = strconv.Atoi(value); err != nil || l.parallel < 0 {
				return l, fmt.Errorf("parallel=%s: must be a number of targets", value)
			}
		case key == "mode" && (value == "" || value == "fail-fast"):
			l.keepGoing = false
		case key == "mode" && value == "defer-error":
			l.keepGoing = true
		case key == "mode" && value == "defer-output":
			return l, errors.New("defer-output: not supported, because each target's output is written when the " +
				"target is built")
		default:
			return l, fmt.Errorf("%s: must be N, fail-fast, defer-error or parallel=N", field)
		}
	}
	return l, nil
}

// A runner runs jobs.
type runner struct {
	*options
	limits
	minirun string
	dir     string // for files shared between processes
	jobs    map[string]*job
	slots   chan struct{}
	display *progressDisplay // nil: the only job uses the terminal
	cancel  context.CancelCauseFunc
}

// runJobs runs all jobs, and reports their errors.
func (o *options) runJobs(ctx context.Context, d *definition, jobs []*job, l limits) (err error) {
	r := &runner{options: o, limits: l, jobs: map[string]*job{}}
	if r.minirun, err = runtimeProgram(); err != nil {
		return err
	}
	if len(jobs) > 1 {
		mode := o.progress
		if slices.ContainsFunc(jobs, isCall) {
			mode = "quiet" // the result is on standard output
		}
		if r.display, err = newProgressDisplay(mode); err != nil {
			return err
		}
	}
	// Files of --file, such as /dev/fd/63, have been read. The builds must not inherit them.
	if err := unix.CloseRange(3, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("close_range: %w", err)
	}
	if r.dir, err = os.MkdirTemp("", "minirun-bake-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(r.dir)) }()
	ctx, r.cancel = context.WithCancelCause(ctx)
	defer r.cancel(nil)
	for _, j := range jobs {
		r.jobs[j.name] = j
		if r.display != nil {
			j.stderr = r.display.writerFor(j.name)
		}
	}
	r.runAll(ctx, jobs)
	if r.display != nil {
		r.display.close(os.Stderr)
	}
	failed := errors.Join(d.printCalls(jobs), summarize(jobs))
	if o.metadata != "" && (failed == nil || l.keepGoing) {
		failed = errors.Join(failed, writeMetadata(o.metadata, jobs))
	}
	return failed
}

// runAll runs the jobs. Those that only examine Dockerfiles run one after the other, and all
// of them run even if one fails.
func (r *runner) runAll(ctx context.Context, jobs []*job) {
	calls := slices.ContainsFunc(jobs, isCall)
	r.keepGoing = r.keepGoing || calls
	if r.parallel == 1 || calls {
		for _, j := range jobs {
			r.run(ctx, j)
		}
		return
	}
	if r.parallel == 0 {
		r.parallel = max(2, runtime.NumCPU())
	}
	r.slots = make(chan struct{}, r.parallel)
	var all sync.WaitGroup
	for _, j := range jobs {
		all.Go(func() { r.run(ctx, j) })
	}
	all.Wait()
}

func isCall(j *job) bool { return j.call != nil }

// run runs one job when the jobs that it needs are done.
func (r *runner) run(ctx context.Context, j *job) {
	defer close(j.done)
	if j.call == nil {
		for _, other := range j.needs {
			<-r.jobs[other].done
		}
		if j.err = j.checkNeeds(r.jobs); j.err != nil {
			return
		}
	}
	if r.slots != nil {
		r.slots <- struct{}{}
		defer func() { <-r.slots }()
	}
	if ctx.Err() != nil {
		j.err = fmt.Errorf("%w: %w", errNotBuilt, context.Cause(ctx))
		return
	}
	j.err = r.build(ctx, j)
	if j.err != nil && !r.keepGoing {
		r.cancel(errOther)
	}
}

// build runs minirun build.
func (r *runner) build(ctx context.Context, j *job) error {
	file := filepath.Join(r.dir, j.name+".json")
	args := slices.Concat(r.global, []string{"build", "--progress=" + r.progressMode()}, j.args)
	for _, name := range slices.Sorted(maps.Keys(j.needs)) {
		args = append(args, "--build-context="+name+"="+r.imageContext(j.needs[name]))
	}
	if j.call == nil {
		args = append(args, "--metadata-file="+file)
	}
	if len(r.policy) > 0 { // verify accepts only disabled=true
		args = append(args, "--policy=disabled=true")
	}
	cmd := exec.CommandContext(ctx, r.minirun, append(args, "--", j.context)...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if j.dockerfile != "" {
		cmd.Stdin = strings.NewReader(j.dockerfile)
	}
	if j.stderr != nil {
		cmd.Stderr = j.stderr
	}
	// A separate process group: ^C goes only to this program, which stops the builds once.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopTimeout
	if c := j.call; c != nil && c.json {
		var out bytes.Buffer
		cmd.Stdout = &out
		defer func() { j.output = out.Bytes() }()
	} else if c != nil && r.display != nil {
		fmt.Printf("%s\n\n", j.name)
	}
	if err := cmd.Run(); ctx.Err() != nil {
		if j.stderr != nil {
			j.stderr.discard() // the message that it was canceled
		}
		return fmt.Errorf("%w: %w", errNotBuilt, context.Cause(ctx))
	} else if err != nil {
		return err
	}
	if j.call != nil {
		return nil
	}
	var err error
	j.metadata, err = readMetadata(file)
	return err
}

// progressMode returns the progress mode for a build.
func (r *runner) progressMode() string {
	if r.display != nil {
		return r.display.mode()
	}
	if r.progress == "quiet" {
		return "none" // quiet prints the image's ID
	}
	return r.progress
}

// imageContext returns the image of another target, as a context.
func (r *runner) imageContext(name string) string {
	if j := r.jobs[name]; j != nil {
		if digest, ok := j.metadata[digestKey].(string); ok {
			return "docker-image://" + digest
		}
	}
	return "docker-image://" + name + ".target.invalid/image" // for a check, which does not read it
}

// runtimeProgram is the path of minirun, which is next to this program.
func runtimeProgram() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	tried := []string{filepath.Join(filepath.Dir(self), "minirun"), "/usr/local/bin/minirun", "/usr/bin/minirun"}
	for _, path := range tried {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("build bake: cannot find minirun (tried %s)", strings.Join(tried, ", "))
}

// summarize returns the error for all jobs: which targets failed, and which were not built. The
// builds have already printed the reasons.
func summarize(jobs []*job) error {
	var failed, not []string
	for _, j := range jobs {
		switch {
		case j.err == nil:
		case errors.Is(j.err, errNotBuilt):
			not = append(not, j.name)
		default:
			failed = append(failed, fmt.Sprintf("%s (%v)", j.name, j.err))
		}
	}
	if len(failed) == 0 && len(not) == 0 {
		return nil
	}
	text := "build bake: failed: " + strings.Join(failed, ", ")
	if len(not) > 0 {
		text += "; not built: " + strings.Join(not, ", ")
	}
	return errors.New(text)
}
