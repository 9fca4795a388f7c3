// The commands that engines call: create, start, delete; exec; and the memory that a created
// container uses.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// withVerbs returns the runtimes that have other commands in addition to run.
func withVerbs(runners []*runner) []*runner {
	var out []*runner
	for _, r := range runners {
		if r.name != "floor" {
			out = append(out, r)
		}
	}
	return out
}

// adopt makes this process the parent of containers whose creator has exited, and reap reaps those
// that exited, as an engine's shim does.
func adopt() error { return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }

func reap() {
	for {
		if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); pid <= 0 && !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

func (result *report) cycle(runners []*runner, b *bundle, rounds, warmup int) error {
	if err := adopt(); err != nil {
		return err
	}
	runners = withVerbs(runners)
	times, err := interleaved(runners, rounds, warmup, func(r *runner, round int) (map[string]time.Duration, error) {
		id := fmt.Sprintf("minirun-bench-%d-%d", os.Getpid(), round)
		elapsed := map[string]time.Duration{}
		var failed error
		step := func(what string, args ...string) {
			if failed == nil {
				elapsed[what], failed = r.verb(args...)
				elapsed["cycle"] += elapsed[what]
			}
		}
		step("create", "create", "--bundle", b.dir, id)
		step("start", "start", id)
		time.Sleep(settle) // the program ends
		reap()
		step("delete", "delete", id)
		if failed != nil {
			r.remove(id)
			return nil, failed
		}
		return elapsed, r.leavesNothing(id)
	})
	if err != nil {
		return err
	}
	for _, what := range []string{"create", "start", "delete", "cycle"} {
		result.Cases = append(result.Cases, summarise(what, "ms", runners, times[what]))
	}
	return nil
}

func (result *report) exec(runners []*runner, b *bundle, rounds, warmup int) error {
	if err := adopt(); err != nil {
		return err
	}
	runners = withVerbs(runners)
	id := func(r *runner) string { return fmt.Sprintf("minirun-bench-%d-%s", os.Getpid(), r.name) }
	for _, r := range runners {
		if _, err := r.verb("create", "--bundle", b.dir, id(r)); err != nil {
			return err
		}
		defer reap()
		defer r.remove(id(r))
		if _, err := r.verb("start", id(r)); err != nil {
			return err
		}
	}
	times, err := interleaved(runners, rounds, warmup, func(r *runner, _ int) (map[string]time.Duration, error) {
		elapsed, err := r.verb("exec", id(r), "true")
		return map[string]time.Duration{"exec": elapsed}, err
	})
	if err == nil {
		result.Cases = append(result.Cases, summarise("exec", "ms", runners, times["exec"]))
	}
	return err
}

// memory measures the proportional set size of the process that waits in a created container for its
// start, and of a runtime that waits in the foreground for a running container to end. A container
// that was created and started has no process of its runtime.
func (result *report) memory(runners []*runner, b *bundle) error {
	if err := adopt(); err != nil {
		return err
	}
	runners = withVerbs(runners)
	created, running := map[string][]float64{}, map[string][]float64{}
	for _, r := range runners {
		size, err := r.sizeCreated(b)
		if err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		created[r.name] = []float64{size}
		if size, err = r.sizeForeground(b); err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		running[r.name] = []float64{size}
	}
	result.Cases = append(result.Cases, summarise("held by a created container", "KiB", runners, created),
		summarise("held by run in the foreground", "KiB", runners, running))
	return nil
}

func (r *runner) sizeCreated(b *bundle) (float64, error) {
	id, file := fmt.Sprintf("minirun-bench-%d-%s", os.Getpid(), r.name), filepath.Join(b.dir, "pid")
	if _, err := r.verb("create", "--bundle", b.dir, "--pid-file", file, id); err != nil {
		return 0, err
	}
	defer reap()
	defer r.remove(id)
	pid, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	return setSize(string(bytes.TrimSpace(pid)))
}

func (r *runner) sizeForeground(b *bundle) (float64, error) {
	id, file := fmt.Sprintf("minirun-bench-%d-%s-run", os.Getpid(), r.name), filepath.Join(b.dir, "pid-"+r.name)
	cmd := exec.Command(r.path, "--root", r.stateRoot, "run", "--bundle", b.dir, "--pid-file", file, id)
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	defer reap()
	defer cmd.Wait()
	defer r.remove(id)
	for limit := time.Now().Add(10 * time.Second); time.Now().Before(limit); time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(file); err == nil {
			time.Sleep(200 * time.Millisecond) // until it is waiting
			return setSize(strconv.Itoa(cmd.Process.Pid))
		}
	}
	return 0, errors.New("run does not start the container")
}

// setSize returns the proportional set size of a process, in KiB.
func setSize(pid string) (float64, error) {
	text, err := os.ReadFile("/proc/" + pid + "/smaps_rollup")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "Pss:" {
			return strconv.ParseFloat(f[1], 64)
		}
	}
	return 0, errors.New("smaps_rollup has no Pss")
}
