package images

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/minirun/minirun/tests/testbundle"
)

// state is a container as `ps --format json` shows it.
type state struct {
	Container, State string
	Pid, Restarts    int
	Attended         bool
	End              *struct {
		Status    int
		Lost      bool
		OOMKilled bool
	}
	HealthState *struct{ Status string }
}

// state returns the state of a container; State is "" if there is none.
func (s *store) state(id string) state {
	s.T.Helper()
	var list []state
	s.JSON(&list, "ps", "-a", "--format", "json")
	for _, l := range list {
		if l.Container == id {
			return l
		}
	}
	return state{}
}

// TestStartAgain: a stopped container starts again with what it has written; `restart` works for
// running and stopped ones, and for those started with --rm.
func TestStartAgain(t *testing.T) {
	s := loaded(t, runs("sh", "-c", "echo again >>/log; cat /log; hostname; exec sleep 1000"))
	id := name("again")
	s.Do("run", "-d", "--name", id, "busybox")
	defer s.Do("rm", "-f", id)
	lines := func(n int) func() bool {
		return func() bool { return strings.Count(s.Do("exec", id, "cat", "/log"), "again") == n }
	}
	testbundle.Await(t, "the first run", lines(1))
	if got := s.Do("start", id); got != id { // is running: nothing happens
		t.Errorf("printed %q", got)
	}
	s.Do("stop", "-s", "KILL", id)
	if got := s.state(id); got.State != "exited" || got.End.Status != 137 {
		t.Errorf("%+v", got)
	}
	if got := s.Do("start", id); got != id {
		t.Errorf("printed %q", got)
	}
	testbundle.Await(t, "the second run", lines(2))
	s.Do("restart", "-t", "0", id)
	testbundle.Await(t, "the third run", lines(3))
	s.Do("stop", "-t", "0", id)
	s.Do("restart", id)
	testbundle.Await(t, "the fourth run", lines(4))
	s.Do("rm", "-f", id)
	s.Minirun("start", id).Fails(t, id)

	s.Do("run", "-d", "--rm", "--name", id, "busybox")
	s.Do("restart", "-t", "0", id)
	testbundle.Await(t, "the second run with --rm", lines(2))
	s.Do("stop", "-t", "0", id)
	if got := s.state(id); got.State != "" {
		t.Errorf("left: %+v", got)
	}
	r := s.Minirun("run", "--name", id, "busybox", "sh", "-c", "echo first >>/log; test $(wc -l </log) -gt 1")
	r.Exit(t, 1)
	s.Do("start", id) // of a container that ran in the foreground
	if got := s.Do("wait", id); got != "0" {
		t.Errorf("wait: %q", got)
	}
	s.Do("rm", id)
	s.Check()
}

// TestStartAttached: start -a shows all output of this run and exits with its status, also if --rm removes
// the container; signals are passed on.
func TestStartAttached(t *testing.T) {
	s := loaded(t, runs("sh", "-c", "echo out; echo err >&2; test -e /again && exit 5; touch /again"))
	id := name("attached")
	s.Do("run", "-d", "--name", id, "busybox")
	defer s.Do("rm", "-f", id)
	s.Do("wait", id)
	if r := s.Minirun("start", "-a", id); r.Status != 5 || r.Stdout != "out\n" || r.Stderr != "err\n" {
		t.Errorf("%+v", r)
	}
	s.Minirun("start", "-a", id, id).Fails(t, "one container")
	s.Minirun("start", "-i", id).Fails(t, "minirun attach")

	signalled := name("signalled")
	s.Do("run", "-d", "--name", signalled, "busybox", "sh", "-c", "trap 'echo bye; exit 6' INT; echo ready; while :; do sleep 0.05; done")
	defer s.Do("rm", "-f", signalled)
	testbundle.Await(t, "the first run", func() bool { return strings.Contains(s.Do("logs", signalled), "ready") })
	s.Do("stop", "-t", "0", signalled)
	cmd := s.Command("start", "-a", signalled)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	if line, err := lines.ReadString('\n'); err != nil || line != "ready\n" {
		t.Fatal(line, err)
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if line, err := lines.ReadString('\n'); err != nil || line != "bye\n" {
		t.Error(line, err)
	}
	_ = cmd.Wait()
	if status := cmd.ProcessState.ExitCode(); status != 6 {
		t.Errorf("status %d", status)
	}
}

// TestFailedStartKeepsContainer: a stopped container that does not start again keeps its files.
func TestFailedStartKeepsContainer(t *testing.T) {
	s := loaded(t, runs("true"))
	id, volume := name("kept"), filepath.Join(s.Host, "volume")
	if err := os.Mkdir(volume, 0o755); err != nil {
		t.Fatal(err)
	}
	s.Do("run", "--name", id, "-v", volume+":/mnt", "busybox")
	defer s.Do("rm", id)
	if err := os.Remove(volume); err != nil {
		t.Fatal(err)
	}
	s.Minirun("start", id).Fails(t, volume)
	if got := s.state(id).State; got != "exited" {
		t.Errorf("state %q", got)
	}
	if err := os.Mkdir(volume, 0o755); err != nil {
		t.Fatal(err)
	}
	s.Do("start", id)
	s.Do("wait", id)
}

// TestWaitPrintsStatuses: wait prints the statuses in the order of its arguments, also of a container
// that --rm removes meanwhile.
func TestWaitPrintsStatuses(t *testing.T) {
	s := loaded(t, runs("sh", "-c", "until test -e /go; do sleep 0.05; done; exit $STATUS"))
	a, b := name("a"), name("b")
	s.Do("run", "-d", "--rm", "-e", "STATUS=3", "--name", a, "busybox")
	s.Do("run", "-d", "-e", "STATUS=4", "--name", b, "busybox")
	defer s.Do("rm", "-f", b)
	cmd := s.Command("wait", a, b)
	var out strings.Builder
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// It has opened both files once it has them among its descriptors.
	testbundle.Await(t, "the waiting command", func() bool {
		return opens(cmd.Process.Pid, a) && opens(cmd.Process.Pid, b)
	})
	s.Do("exec", b, "touch", "/go")
	s.Do("exec", a, "touch", "/go")
	if err := cmd.Wait(); err != nil || out.String() != "3\n4\n" {
		t.Errorf("%q, %v", &out, err)
	}
	if got := s.Do("wait", b, b); got != "4" {
		t.Errorf("a stopped container: %q", got)
	}
	r := s.Minirun("wait", b, name("none"))
	if r.Fails(t, "no such container"); r.Stdout != "4\n" {
		t.Errorf("printed %q", r.Stdout)
	}
}

// opens reports whether a process has a file of a container open.
func opens(pid int, id string) bool {
	fds, _ := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/fd/*")
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err == nil && strings.HasSuffix(to, "/containers/"+id+"/attended") {
			return true
		}
	}
	return false
}

// TestStopOfSeveralIsParallel: containers that ignore the stop signal are waited for at the same time:
// all have got the signal before the first is killed.
func TestStopOfSeveralIsParallel(t *testing.T) {
	s := loaded(t, runs("sh", "-c", "trap 'echo asked >/proc/1/fd/1' TERM; echo ready; while :; do sleep 0.05; done"))
	var ids []string
	for _, n := range []string{"p1", "p2", "p3"} {
		ids = append(ids, name(n))
		s.Do("run", "-d", "--name", name(n), "busybox")
	}
	defer s.Do(append([]string{"rm", "-f"}, ids...)...)
	for _, id := range ids {
		testbundle.Await(t, id, func() bool { return strings.Contains(s.Do("logs", id), "ready") })
	}
	cmd := s.Command(append([]string{"stop", "-t", "-1"}, ids...)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids { // none of them exits
		testbundle.Await(t, id, func() bool { return strings.Contains(s.Do("logs", id), "asked") })
	}
	if got := s.Do(append([]string{"rm", "-f"}, ids...)...); got != strings.Join(ids, "\n") {
		t.Errorf("rm -f printed %q", got)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// TestMonitorDeath: ps and inspect show that nothing attends a container whose monitor was killed, and
// stop, rm and restart clean up.
func TestMonitorDeath(t *testing.T) {
	s := loaded(t, runs("sleep", "1000"))
	id := name("orphan")
	for _, c := range []struct {
		command, state string
		flags          []string
	}{
		{"stop -t 0", "exited", nil}, {"stop -t 0", "", []string{"--rm"}}, {"rm -f", "", nil},
		{"restart -t 0", "running", nil}, {"restart -t 0", "running", []string{"--restart=always"}},
	} {
		t.Run(c.command, func(t *testing.T) {
			args := append([]string{"run", "-d", "--name", id, "--health-cmd", "true", "--health-interval", "200ms"}, c.flags...)
			s.Do(append(args, "busybox")...)
			defer s.Do("rm", "-f", id)
			testbundle.Await(t, "a health check", func() bool {
				h := s.state(id).HealthState
				return h != nil && h.Status == "healthy"
			})
			killMonitor(t, s, id)
			got := s.state(id)
			if got.State != "running" || got.Attended || got.HealthState == nil || got.HealthState.Status != "unknown" {
				t.Errorf("%+v", got)
			}
			if ps, inspect := s.Do("ps"), s.Do("inspect", id); !strings.Contains(ps, "(no monitor)") ||
				!strings.Contains(inspect, "minirun restart "+id) || strings.Contains(inspect, "healthy") {
				t.Errorf("%s\n%s", ps, inspect)
			}
			s.Minirun("start", id).Fails(t, "minirun restart "+id)
			s.Do(append(strings.Fields(c.command), id)...)
			got = s.state(id)
			if got.State != c.state || got.State == "exited" && (got.End == nil || !got.End.Lost) ||
				got.State == "running" && !got.Attended {
				t.Errorf("after %s: %+v", c.command, got)
			}
		})
	}
	s.Check()
}

// killMonitor kills the process that attends a container.
func killMonitor(t *testing.T, s *store, id string) {
	t.Helper()
	signalMonitor(t, s, id, syscall.SIGKILL)
	testbundle.Await(t, "the monitor's death", func() bool { return !s.state(id).Attended })
}

// signalMonitor sends a signal to the process that attends a container.
func signalMonitor(t *testing.T, s *store, id string, signal syscall.Signal) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.StoreDir, "containers", id, "attended"))
	if err != nil {
		t.Fatal(err)
	}
	var attendant struct{ Pid int }
	if err := json.Unmarshal(text, &attendant); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(attendant.Pid, signal); err != nil {
		t.Fatal(err)
	}
}

// TestRestartPolicies: on-failure counts, always restarts after success, stop ends it, update changes
// it, and a stop is remembered for the start of the machine.
func TestRestartPolicies(t *testing.T) {
	s := loaded(t, runs("sh", "-c", "exit $STATUS"))
	id := name("policy")
	s.Do("run", "-d", "--name", id, "-e", "STATUS=5", "--restart", "on-failure:2", "busybox")
	if got := s.Do("wait", id); got != "5" {
		t.Errorf("wait: %q", got)
	}
	testbundle.Await(t, "two restarts", func() bool {
		l := s.state(id)
		return !l.Attended && l.State == "exited" && l.Restarts == 2 && l.End.Status == 5
	})
	s.Do("rm", id)
	s.Do("run", "-d", "--name", id, "-e", "STATUS=0", "--restart", "on-failure", "busybox")
	testbundle.Await(t, "the end", func() bool { l := s.state(id); return !l.Attended && l.State == "exited" && l.Restarts == 0 })
	s.Do("rm", id)

	s.Do("run", "-d", "--name", id, "-e", "STATUS=0", "--restart", "always", "busybox")
	testbundle.Await(t, "restarting", func() bool {
		return s.state(id).Restarts > 2 && strings.Contains(s.Do("ps"), "Restarting (0)")
	})
	s.Minirun("rm", id).Fails(t, "hint: stop it first")
	s.Do("stop", id)
	if got := s.state(id); got.State != "exited" {
		t.Errorf("%+v", got)
	}
	due := func(want string) {
		t.Helper()
		if got := s.Do("start", "--all-restart"); got != want {
			t.Errorf("started %q, want %q", got, want)
		}
	}
	due(id)
	s.Do("stop", id)
	s.Do("update", "--restart", "unless-stopped", id)
	due("")
	s.Do("start", id)
	s.Do("update", "--restart=no", id)
	testbundle.Await(t, "the end", func() bool { l := s.state(id); return !l.Attended && l.State == "exited" })
	due("")
	s.Do("rm", id)
	for words, flags := range map[string][]string{
		"must be no, on-failure": {"-d", "--restart", "sometimes"}, "number of restarts": {"-d", "--restart=on-failure:x"},
		"--rm": {"-d", "--rm", "--restart=always"}, "--detach": {"--restart=always"},
	} {
		s.Minirun(append(append([]string{"run"}, flags...), "busybox")...).Fails(t, words)
	}
	s.Check()
}

// TestStartOfMachine: after a power failure, which leaves no process and no state in /run, the containers
// with a restart policy start again, and those with --rm are removed.
func TestStartOfMachine(t *testing.T) {
	s := loaded(t, runs("sh", "-c", "echo written >>/f; cat /f; exec sleep 1000"))
	back, stays, gone := name("back"), name("stays"), name("gone")
	s.Do("run", "-d", "--restart", "always", "--name", back, "busybox")
	s.Do("run", "-d", "--name", stays, "busybox")
	s.Do("run", "-d", "--rm", "--name", gone, "busybox")
	testbundle.Await(t, "the first run", func() bool { return strings.Contains(s.Do("logs", back), "written") })
	for _, id := range []string{back, stays, gone} {
		killMonitor(t, s, id)
		s.Do("delete", "-f", id)
		// As a kernel that was not shut down leaves it.
		if err := os.MkdirAll(filepath.Join(s.StoreDir, "containers", id, ".upper.work/work/incompat/volatile"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.Do("start", "--all-restart"); got != back {
		t.Errorf("started %q", got)
	}
	defer s.Do("rm", "-f", back, stays)
	testbundle.Await(t, "the second run", func() bool { return strings.HasSuffix(s.Do("logs", back), "written\nwritten") })
	if got := s.state(stays); got.State != "exited" {
		t.Errorf("%+v", got)
	}
	if got := s.state(gone); got.State != "" {
		t.Errorf("%+v", got)
	}
}

// TestRestartAfterSignalToMonitor: the end of the machine, at which the monitor gets SIGTERM, is not a
// reason to start the container again, and is not a stop by the user.
func TestRestartAfterSignalToMonitor(t *testing.T) {
	s := loaded(t, runs("sh", "-c", "trap 'exit 0' TERM; echo ready; while :; do sleep 0.05; done"))
	id := name("shutdown")
	s.Do("run", "-d", "--name", id, "--restart", "unless-stopped", "busybox")
	defer s.Do("rm", "-f", id)
	testbundle.Await(t, "ready", func() bool { return strings.Contains(s.Do("logs", id), "ready") })
	signalMonitor(t, s, id, syscall.SIGTERM)
	testbundle.Await(t, "the end", func() bool { l := s.state(id); return l.State == "exited" && !l.Attended })
	if got := s.state(id); got.Restarts != 0 {
		t.Errorf("%+v", got)
	}
	if got := s.Do("start", "--all-restart"); got != id {
		t.Errorf("started %q", got)
	}
}
