package crash

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/tests/crash/tracer"
	"github.com/minirun/minirun/tests/testbundle"
)

const (
	// deleteLimit is the time that `delete --force` may take. The tests log the longest time, which
	// is well below a second on an idle machine.
	deleteLimit = 5 * time.Second
	// settleLimit is the time after that in which the last process must end: a process that minirun
	// had not recorded yet ends by itself.
	settleLimit = 5 * time.Second
	// hangLimit is the time after which a command counts as hanging.
	hangLimit = 20 * time.Second
)

// A host is a container's bundle, and the state of the machine without the container.
type host struct {
	*testbundle.Bundle
	t      *testing.T
	before map[string]bool
	output *os.File // output of the commands
	leaks  int      // leaks found so far
	slow   time.Duration
}

func newHost(t *testing.T, change ...func(*specs.Spec)) *host {
	t.Helper()
	change = append([]func(*specs.Spec){testbundle.Args("sleep", "100000")}, change...)
	h := &host{Bundle: testbundle.New(t, change...), t: t}
	h.Write()
	if err := h.makeFiles(); err != nil {
		t.Fatal(err)
	}
	var err error
	h.output, err = os.OpenFile(filepath.Join(filepath.Dir(h.Dir), "output"), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.output.Close() })
	h.before = h.things()
	return h
}

// things lists everything that a container could leave: testbundle's snapshot and the files next to
// the bundle.
func (h *host) things() map[string]bool {
	all := h.Snapshot()
	_ = filepath.WalkDir(filepath.Dir(h.Dir), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // it was deleted in the meantime
		}
		if path == h.Path("/") || path == h.Root {
			return filepath.SkipDir // the snapshot includes the state directory
		}
		all["file "+path] = true
		return nil
	})
	return all
}

// minirun runs a command that must succeed.
func (h *host) minirun(args ...string) {
	h.t.Helper()
	if text, status := h.try(args...); status != 0 {
		h.t.Fatalf("minirun %s: exit status %d: %s", strings.Join(args, " "), status, text)
	}
}

// try runs a command and returns its output and its exit status, or -1 if it was killed because it
// did not end.
func (h *host) try(args ...string) (text string, status int) {
	h.t.Helper()
	cmd := h.command(args...)
	if err := finish(cmd); err != nil {
		h.t.Fatal(err)
	}
	return h.text(), cmd.ProcessState.ExitCode()
}

// command returns a minirun command that writes its output to the file: processes that it leaves running
// must not keep a pipe open.
func (h *host) command(args ...string) *exec.Cmd {
	h.t.Helper()
	if err := h.output.Truncate(0); err != nil {
		h.t.Fatal(err)
	}
	cmd := h.Command(args...)
	cmd.Stdout, cmd.Stderr = h.output, h.output
	return cmd
}

// traced runs a command under the tracer.
func (h *host) traced(init bool, decide func(*tracer.Stop) tracer.Verdict, args ...string) (tracer.Outcome, string) {
	h.t.Helper()
	null, err := os.Open(os.DevNull)
	if err != nil {
		h.t.Fatal(err)
	}
	defer null.Close()
	cmd := h.command(args...)
	c := tracer.Command{
		Path: cmd.Path, Args: cmd.Args, Env: cmd.Env, Files: [3]*os.File{null, h.output, h.output},
		Init: init, Limit: hangLimit, Decide: decide,
	}
	outcome, err := c.Run()
	if err != nil {
		h.t.Fatal("trace: ", err)
	}
	text := h.text()
	if outcome.Limited {
		h.t.Errorf("minirun %s did not end: %s", strings.Join(args, " "), text)
	}
	return outcome, text
}

func (h *host) text() string {
	h.t.Helper()
	if _, err := h.output.Seek(0, io.SeekStart); err != nil {
		h.t.Fatal(err)
	}
	data, err := io.ReadAll(h.output)
	if err != nil {
		h.t.Fatal(err)
	}
	return string(data)
}

// gone deletes the container with --force and fails the test if that fails or takes too long, or
// leaves something. what names the case.
func (h *host) gone(what string) {
	h.t.Helper()
	begin := time.Now()
	text, status := h.try("delete", "--force", h.ID)
	took := time.Since(begin)
	h.slow = max(h.slow, took)
	if status != 0 || took > deleteLimit {
		h.t.Errorf("%s: delete --force: exit status %d after %v: %s", what, status, took.Round(time.Millisecond), text)
	}
	h.clean(what)
}

// clean fails the test if there is more on the machine than at the beginning.
func (h *host) clean(what string) {
	h.t.Helper()
	for end := time.Now().Add(settleLimit); ; time.Sleep(2 * time.Millisecond) {
		reap()
		left := h.left()
		if len(left) == 0 {
			return
		}
		if time.Now().After(end) {
			h.leaks++
			h.t.Errorf("%s: left over:\n\t%s", what, strings.Join(left, "\n\t"))
			if h.leaks >= 10 {
				h.t.Fatal("too many failures")
			}
			h.before = h.things()
			return
		}
	}
}

// left lists everything that is new, and the mounts that are missing.
func (h *host) left() []string {
	var out []string
	now := h.things()
	for thing := range now {
		if !h.before[thing] {
			out = append(out, thing+detail(thing))
		}
	}
	for thing := range h.before {
		if strings.HasPrefix(thing, "mount ") && !now[thing] {
			out = append(out, "unmounted "+thing)
		}
	}
	return out
}

// detail returns more information about a process than its PID.
func detail(thing string) string {
	pid, ok := strings.CutPrefix(thing, "process ")
	if !ok {
		return ""
	}
	stat, _ := os.ReadFile("/proc/" + pid + "/stat")
	call, _ := os.ReadFile("/proc/" + pid + "/syscall")
	group, _ := os.ReadFile("/proc/" + pid + "/cgroup")
	return fmt.Sprintf(": %.60s; in system call %s; %s", stat, strings.TrimSpace(string(call)), strings.ReplaceAll(string(group), "\n", " "))
}
