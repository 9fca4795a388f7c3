package e2e

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/tests/testbundle"
)

// needCRIU skips the test if criu itself reports that it cannot work.
func needCRIU(t *testing.T) {
	t.Helper()
	testbundle.Need(t)
	if out, err := exec.Command("criu", "check").CombinedOutput(); err != nil {
		t.Skipf("criu check: %v: %s", err, firstError(string(out)))
	}
}

func firstError(text string) string {
	for line := range strings.Lines(text) {
		if strings.Contains(line, "Error") {
			return strings.TrimSpace(line)
		}
	}
	return strings.TrimSpace(text)
}

// counting writes 1, 2, 3, … to /host/count until /host/end exists, and then exits with status 5.
const counting = `i=0; while :; do i=$((i+1)); echo $i > /host/next; mv /host/next /host/count; [ -e /host/end ] && exit 5; sleep 0.05; done`

func counter(t *testing.T, b *testbundle.Bundle) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(b.Host, "count"))
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func awaitCount(t *testing.T, b *testbundle.Bundle, above int) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); counter(t, b) <= above; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it counts no further than %d", counter(t, b))
		}
	}
}

// insideOf returns what distinguishes a fully restored container from a partially restored one.
func insideOf(t *testing.T, b *testbundle.Bundle) string {
	t.Helper()
	r := b.Minirun("exec", b.ID, "/bin/sh", "-c", `cut -d" " -f4- /proc/1/mountinfo | sed "s/ shared:[0-9]*//; s/ master:[0-9]*//" | grep -v -w -E "ext4|overlay|virtiofs|tmpfs" | sort
		cat /proc/kcore | wc -c; touch /read-only 2>&1; grep -E "Cap|NoNewPrivs|Seccomp" /proc/1/status; cat /proc/1/oom_score_adj; hostname; cat /proc/1/cgroup`)
	r.Exit(t, 0)
	return r.Stdout + r.Stderr
}

// A checkpoint and its restore: the program continues where it stopped, in an identical container.
func TestCheckpointRestore(t *testing.T) {
	needCRIU(t)
	images := t.TempDir()
	b := detachedAlone(t, counting, nil, func(s *specs.Spec) {
		s.Process.OOMScoreAdj, s.Process.NoNewPrivileges = ptr(100), false
		s.Linux.Resources.Pids = &specs.LinuxPids{Limit: ptr(int64(50))}
	})
	await(t, filepath.Join(b.Host, "count"))
	before := insideOf(t, b)
	b.Minirun("checkpoint", "--image-path", images, b.ID).Exit(t, 0)
	testbundle.Reap()
	b.Minirun("state", b.ID).Fails(t, "does not exist")
	stood := counter(t, b)
	time.Sleep(200 * time.Millisecond)
	if n := counter(t, b); n != stood {
		t.Fatalf("it counts on after the checkpoint: %d, then %d", stood, n)
	}

	restored := func(t *testing.T, flags ...string) {
		t.Helper()
		args := append(append([]string{"restore", "--detach", "--bundle", b.Dir, "--image-path", images}, flags...), b.ID)
		b.Minirun(args...).Exit(t, 0)
	}
	restored(t, "--pid-file", filepath.Join(b.Host, "pid2"))
	awaitCount(t, b, stood)
	if n := counter(t, b); n > stood+200 {
		t.Errorf("it counts from %d on, not from %d", n, stood)
	}
	if after := insideOf(t, b); after != before {
		t.Errorf("before:\n%s\nrestored:\n%s", before, after)
	}
	awaitStatus(t, b, specs.StateRunning)
	var state specs.State
	if err := json.Unmarshal([]byte(b.Minirun("state", b.ID).Stdout), &state); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(filepath.Join(b.Host, "pid2")); string(text) != strconv.Itoa(state.Pid) {
		t.Errorf("--pid-file has %q, the state %d", text, state.Pid)
	}
	b.Minirun("restore", "--detach", "--bundle", b.Dir, "--image-path", images, b.ID).Fails(t, "already exists")

	t.Run("again", func(t *testing.T) {
		b.Minirun("pause", b.ID).Exit(t, 0)
		b.Minirun("resume", b.ID).Exit(t, 0)
		b.Minirun("delete", "--force", b.ID).Exit(t, 0)
		testbundle.Reap()
		restored(t)
		awaitCount(t, b, stood)
		b.Minirun("delete", "--force", b.ID).Exit(t, 0)
		testbundle.Reap()
	})
	t.Run("in the foreground", func(t *testing.T) {
		cmd := b.Command("restore", "--bundle", b.Dir, "--image-path", images, b.ID)
		done := make(chan testbundle.Result)
		go func() { done <- testbundle.Finish(t, cmd) }()
		awaitCount(t, b, stood+2)
		if err := os.WriteFile(filepath.Join(b.Host, "end"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if r := <-done; r.Status != 5 {
			t.Errorf("exit status %d, want the program's, 5: %s", r.Status, r.Stderr)
		}
		b.Minirun("state", b.ID).Fails(t, "does not exist")
	})
	t.Run("of images that are damaged", func(t *testing.T) {
		if err := os.Remove(filepath.Join(images, "inventory.img")); err != nil {
			t.Fatal(err)
		}
		b.Minirun("restore", "--detach", "--bundle", b.Dir, "--image-path", images, b.ID).Fails(t, "criu restore", "Error", "restore.log")
		b.Minirun("state", b.ID).Fails(t, "does not exist")
	})
}

// detachedAlone starts a container with a script and a directory of the host. Its standard
// descriptors are /dev/null, except standard output if output is not nil: criu rejects files of the
// host.
func detachedAlone(t *testing.T, script string, output *os.File, change ...func(*specs.Spec)) *testbundle.Bundle {
	t.Helper()
	b := testbundle.New(t, append(change, testbundle.Sh(script))...)
	testbundle.AddMount(specs.Mount{Destination: "/host", Source: b.Host, Options: []string{"rbind"}})(b.Spec)
	b.Write()
	cmd := b.Command("run", "--detach", b.ID, b.Dir)
	if output != nil {
		cmd.Stdout = output
	}
	if err := cmd.Run(); err != nil {
		t.Fatal("run --detach: ", err)
	}
	t.Cleanup(func() {
		b.Minirun("delete", "--force", b.ID)
		testbundle.Reap()
	})
	return b
}

// With --leave-running the container continues. When it is restored, each of its pipes is replaced with
// minirun's descriptor of the same number.
func TestRestorePipes(t *testing.T) {
	needCRIU(t)
	images := t.TempDir()
	pipe := func() (r *bufio.Scanner, w *os.File) {
		t.Helper()
		out, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { out.Close(); w.Close() })
		return bufio.NewScanner(out), w
	}
	next := func(r *bufio.Scanner) int {
		t.Helper()
		if !r.Scan() {
			t.Fatal("nothing more comes out of the pipe: ", r.Err())
		}
		n, err := strconv.Atoi(r.Text())
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	first, w := pipe()
	b := detachedAlone(t, "i=0; while :; do i=$((i+1)); echo $i; sleep 0.05; done", w, func(s *specs.Spec) { s.Process.NoNewPrivileges = false })
	next(first)
	b.Minirun("checkpoint", "--leave-running", "--image-path", images, b.ID).Exit(t, 0)
	stood := next(first)
	if got := stateOf(t, b); got != specs.StateRunning {
		t.Errorf("after --leave-running: %s", got)
	}
	b.Minirun("delete", "--force", b.ID).Exit(t, 0)
	testbundle.Reap()

	second, w := pipe()
	cmd := b.Command("restore", "--detach", "--bundle", b.Dir, "--image-path", images, b.ID)
	cmd.Stdout = w
	if err := cmd.Run(); err != nil {
		t.Fatal("restore: ", err)
	}
	if n := next(second); n <= stood || n > stood+200 {
		t.Errorf("restored, it writes %d; it had come to %d or later", n, stood)
	}
}

// If criu loses no_new_privs, restore fails and the container ends.
func TestRestoreKeepsNoNewPrivs(t *testing.T) {
	needCRIU(t)
	images := t.TempDir()
	b := detachedAlone(t, "sleep 1000", nil)
	b.Minirun("checkpoint", "--image-path", images, b.ID).Exit(t, 0)
	testbundle.Reap()
	r := b.Minirun("restore", "--detach", "--bundle", b.Dir, "--image-path", images, b.ID)
	if r.Status == 0 {
		b.Minirun("exec", b.ID, "grep", "-c", "NoNewPrivs:.1", "/proc/1/status").Prints(t, "1\n")
		return
	}
	r.Fails(t, "process.noNewPrivileges", "criu")
	b.Minirun("state", b.ID).Fails(t, "does not exist")
	testbundle.Reap()
}

func TestRestoreRefuses(t *testing.T) {
	testbundle.Need(t)
	b := testbundle.New(t)
	b.Spec.Process.Terminal = true
	b.Write()
	b.Minirun("restore", "--detach", "--bundle", b.Dir, "--image-path", t.TempDir(), b.ID).Fails(t, "process.terminal", "--console-socket")
	b.Spec.Process.Terminal = false
	b.Write()
	b.Minirun("restore", "--detach", "--bundle", b.Dir, "--image-path", t.TempDir(), b.ID).Fails(t, "--image-path", "external.json")
	b.Minirun("restore", "--bundle", b.Dir).Fails(t, "missing argument: ID")
}

// A descriptor that the caller has not opened may be one that minirun uses itself.
func TestCheckpointStatusDescriptor(t *testing.T) {
	b, _ := up(t)
	images := filepath.Join(b.Host, "images")
	for _, fd := range []string{"1", "3", "4", "9"} {
		b.Minirun("checkpoint", "--image-path", images, "--status-fd", fd, b.ID).Fails(t, "--status-fd "+fd)
	}
}
