// The programs that are measured, and one timed run of one of them.
package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

type runner struct {
	name      string
	path      string
	stateRoot string
	args      func(b *bundle, id string) []string
	mounts    int // lines in /proc/self/mountinfo before the first run
}

// findRunners finds or builds the available runtimes; notes reports the missing ones.
func findRunners(dir, minirun string) (runners []*runner, notes []string, err error) {
	add := func(name, path string) *runner {
		r := &runner{name: name, path: path, stateRoot: filepath.Join(stateDir(dir), name)}
		r.args = func(b *bundle, id string) []string {
			return []string{path, "--root", r.stateRoot, "run", "--bundle", b.dir, id}
		}
		r.mounts = countMounts()
		runners = append(runners, r)
		return r
	}
	if minirun == "" {
		if _, err := os.Stat("cmd/minirun"); err == nil {
			minirun = filepath.Join(dir, "minirun")
			build := exec.Command("go", "build", "-tags", "urfave_cli_no_docs", "-ldflags", "-s -w", "-o", minirun, "./cmd/minirun")
			build.Env = append(os.Environ(), "CGO_ENABLED=0")
			if out, err := build.CombinedOutput(); err != nil {
				return nil, nil, fmt.Errorf("build minirun: %w\n%s", err, out)
			}
		} else {
			notes = append(notes, "minirun is left out: no -minirun, no $MINIRUN, no ./cmd/minirun below the working directory")
		}
	}
	if minirun != "" {
		add("minirun", minirun)
	}
	for _, name := range []string{"runc", "crun"} {
		path, err := exec.LookPath(name)
		if err != nil {
			notes = append(notes, name+" is left out: "+err.Error())
			continue
		}
		add(name, path)
	}
	floor := filepath.Join(dir, "floor")
	source := filepath.Join(dir, "floor.c")
	if err := os.WriteFile(source, floorSource, 0o644); err != nil {
		return nil, nil, err
	}
	if out, err := exec.Command("gcc", "-O2", "-static", "-o", floor, source).CombinedOutput(); err != nil {
		notes = append(notes, fmt.Sprintf("floor is left out: gcc: %v %s", err, out))
	} else {
		add("floor", floor).args = func(b *bundle, id string) []string {
			filter := b.filter
			if filter == "" {
				filter = "-"
			}
			return []string{floor, b.root, id, b.name, filter}
		}
	}
	if len(runners) == 0 {
		return nil, nil, fmt.Errorf("nothing to measure: %s", strings.Join(notes, "; "))
	}
	return runners, notes, nil
}

var environment = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"}

// run starts a container and waits for its runtime to end.
func (r *runner) run(b *bundle, id string) (time.Duration, error) {
	elapsed, err := call(r.args(b, id))
	if err != nil {
		r.remove(id)
		return 0, err
	}
	return elapsed, r.leavesNothing(id)
}

// verb runs one command of a runtime.
func (r *runner) verb(args ...string) (time.Duration, error) {
	return call(append([]string{r.path, "--root", r.stateRoot}, args...))
}

// call runs a program; the time is only that of fork, exec and wait.
func call(argv []string) (time.Duration, error) {
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(null)
	messages, err := unix.MemfdCreate("stderr", unix.MFD_CLOEXEC)
	if err != nil {
		return 0, err
	}
	defer unix.Close(messages)
	attr := &syscall.ProcAttr{Dir: "/", Env: environment, Files: []uintptr{uintptr(null), uintptr(null), uintptr(messages)}}
	var status syscall.WaitStatus

	start := time.Now()
	pid, err := syscall.ForkExec(argv[0], argv, attr)
	if err != nil {
		return 0, err
	}
	for {
		if _, err = syscall.Wait4(pid, &status, 0, nil); err != syscall.EINTR {
			break
		}
	}
	elapsed := time.Since(start)

	if err != nil {
		return 0, err
	}
	if !status.Exited() || status.ExitStatus() != 0 {
		text := make([]byte, 4096)
		n, _ := unix.Pread(messages, text, 0)
		return 0, fmt.Errorf("%s: status %d: %s", strings.Join(argv, " "), status, bytes.TrimSpace(text[:max(n, 0)]))
	}
	return elapsed, nil
}

func (r *runner) remove(id string) {
	if r.name != "floor" {
		exec.Command(r.path, "--root", r.stateRoot, "delete", "-f", id).Run()
	}
}

// leavesNothing checks that a run has left nothing.
func (r *runner) leavesNothing(id string) error {
	found, _ := filepath.Glob("/sys/fs/cgroup/*/" + id)
	for _, dir := range found {
		if !strings.HasPrefix(dir, "/sys/fs/cgroup/unified/") { // not a cgroup: see the package comment
			return fmt.Errorf("cgroup left: %s", dir)
		}
	}
	if _, err := os.Lstat(filepath.Join(r.stateRoot, id)); err == nil {
		return fmt.Errorf("state left: %s", filepath.Join(r.stateRoot, id))
	}
	if n := countMounts(); n != r.mounts {
		return fmt.Errorf("%d mounts where there were %d", n, r.mounts)
	}
	return nil
}

func countMounts() int {
	text, _ := os.ReadFile("/proc/self/mountinfo")
	return bytes.Count(text, []byte("\n"))
}
