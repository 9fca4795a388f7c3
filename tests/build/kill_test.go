package build

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/minirun/minirun/tests/testbundle"
)

const killed = `FROM base AS one
COPY f /f
RUN --mount=type=cache,target=/c --mount=type=secret,id=s cat /run/secrets/s | wc -c > /one; cat /f >> /one; echo x >> /c/log; sleep 0.01
RUN (sleep 1000 &) ; sleep 0.01; echo two > /two
FROM base AS other
WORKDIR /w
RUN --mount=target=/m cat /m/f > /other; sleep 0.02
RUN --mount=type=tmpfs,target=/t --mount=from=one,source=/,target=/o,rw cat /o/one > /o/gone; cat /o/gone > /seen
FROM base
COPY --from=one /one /two /
COPY --link --from=other /other /seen /
RUN cat /one /two /other /seen > /all
`

// TestKilledBuildsLeaveConsistentStore kills builds at random moments. Afterwards none of their
// processes run and none of their mounts remain, the store is consistent, each step that had finished
// is cached, and the next build produces the right files and leaves nothing of the killed one.
func TestKilledBuildsLeaveConsistentStore(t *testing.T) {
	s := newStore(t)
	watched := testbundle.Mounts("self")
	dir := contextDir(t, map[string]string{"Dockerfile": killed, "f": "first\n", "s": "secret\n"}, "")
	s.builds(dir, "--secret", "id=s,src="+dir+"/s")
	whole := time.Now()
	longest := time.Duration(0)
	ended, cached, complete := 0, 0, 0
	who := map[string]int{}
	for n := range testbundle.Kills(t) {
		text := fmt.Sprint(n, "\n")
		if err := os.WriteFile(filepath.Join(dir, "f"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		k := &kill{store: s, n: n, dir: dir, longest: max(longest, 150*time.Millisecond)}
		k.start()
		if k.complete {
			complete++
		}
		who[k.who]++
		k.nothingRuns(watched)
		k.Check()
		next := time.Now()
		b := s.builds(dir, k.flags()...)
		longest = max(longest/2, time.Since(next)) // the machine is not always equally fast
		for _, name := range k.ended(b) {
			ended++
			if slices.Contains(b.ran, name) {
				t.Errorf("%s had ended, and is built again", name)
			} else {
				cached++
			}
		}
		k.rightFiles("7\n" + text)
		k.nothingLeft()
		if t.Failed() {
			t.Fatalf("kill %d of %s after %v", n, k.who, k.after)
		}
	}
	t.Logf("%d builds killed (%v), %d were complete; %d steps had ended, %d are cached; %v", testbundle.Kills(t), who, complete, ended, cached, time.Since(whole).Round(time.Second))
	if ended < testbundle.Kills(t)/2 || complete > testbundle.Kills(t)/2 {
		t.Errorf("%d steps had ended, %d builds were complete: this shows nothing", ended, complete)
	}
}

// A kill is one build that gets killed.
type kill struct {
	*store
	n       int
	dir     string
	longest time.Duration

	who      string
	after    time.Duration
	done     built    // its progress until then
	records  []string // instructions that had a cache record
	complete bool
	cgroups  []string // of the build's steps
}

func (k *kill) flags() []string {
	return []string{"--secret", "id=s,src=" + k.dir + "/s", "-t", "image"}
}

// start starts a build and kills it.
func (k *kill) start() {
	k.T.Helper()
	cmd := k.Command(append(append([]string{"build", "--progress", "rawjson"}, k.flags()...), k.dir)...)
	out, err := os.CreateTemp(k.T.TempDir(), "progress")
	if err != nil {
		k.T.Fatal(err)
	}
	cmd.Stderr = out
	begun := time.Now()
	testbundle.StartGroup(k.T, cmd)
	k.after = testbundle.WaitRandomly(k.longest)
	switch k.n % 3 {
	case 0:
		k.who = "the process group"
		testbundle.KillGroup(cmd)
	case 1:
		k.who = "the builder alone"
		_ = cmd.Process.Kill()
	case 2:
		k.who = "the minirun of a step, then the builder"
		for _, pid := range children(cmd.Process.Pid) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		testbundle.WaitRandomly(5 * time.Millisecond)
		_ = cmd.Process.Kill()
	}
	k.complete = cmd.Wait() == nil
	text, err := os.ReadFile(out.Name())
	if err != nil {
		k.T.Fatal(err)
	}
	k.done.read(k.T, string(text))
	k.records = k.newRecords(begun)
	names, err := os.ReadDir(filepath.Join(k.store.StoreDir, "build", "run"))
	if err != nil {
		k.T.Fatal(err)
	}
	for _, e := range names {
		k.cgroups = append(k.cgroups, e.Name())
	}
}

// children returns the child processes of all threads of a process.
func children(pid int) (out []int) {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, l := range lists {
		text, _ := os.ReadFile(l)
		for _, word := range strings.Fields(string(text)) {
			if n, err := strconv.Atoi(word); err == nil {
				out = append(out, n)
			}
		}
	}
	return out
}

// nothingRuns waits until this process has no descendants: as it is a subreaper, orphans would become
// its children. It also checks that the mounts are the same as before.
func (k *kill) nothingRuns(mounts []string) {
	k.T.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		testbundle.Reap()
		left := children(os.Getpid())
		if len(left) == 0 {
			break
		}
		if time.Now().After(end) {
			out, _ := exec.Command("ps", "-ef").Output()
			k.T.Errorf("processes %v run on:\n%s", left, out)
			break
		}
	}
	if now := testbundle.Mounts("self"); !slices.Equal(now, mounts) {
		k.T.Errorf("mounts: %q, before: %q", now, mounts)
	}
}

// ended returns the steps that had finished: those reported by progress, and those that have a
// record, because progress is reported slightly late.
func (k *kill) ended(next *built) []string {
	k.T.Helper()
	out := slices.Clone(k.done.ran)
	for _, name := range append(slices.Clone(next.ran), next.cached...) {
		if !slices.Contains(out, name) && slices.ContainsFunc(k.records, func(text string) bool { return strings.HasSuffix(name, text) }) {
			out = append(out, name)
		}
	}
	return out
}

// newRecords returns the instructions with a record that is newer than a given time.
func (k *kill) newRecords(since time.Time) (out []string) {
	k.T.Helper()
	list, err := filepath.Glob(filepath.Join(k.store.StoreDir, "build", "cache", "*.json"))
	if err != nil {
		k.T.Fatal(err)
	}
	for _, path := range list {
		var r struct {
			Text string
			Made time.Time
		}
		read(k.T, path, &r)
		if r.Made.After(since) {
			out = append(out, r.Text)
		}
	}
	return out
}

// rightFiles checks the files of the image.
func (k *kill) rightFiles(one string) {
	k.T.Helper()
	f := one[2:] // after the secret's size
	got := k.Minirun("layers", "image")
	if got.Status != 0 {
		k.T.Errorf("layers: %s", got.Stderr)
	}
	out := filepath.Join(k.T.TempDir(), "out")
	k.builds(k.dir, append(k.flags(), "-o", out)...)
	if text, err := os.ReadFile(filepath.Join(out, "all")); err != nil || string(text) != one+"two\n"+f+one {
		k.T.Errorf("/all is %q, %v", text, err)
	}
	if _, err := os.Stat(filepath.Join(out, "gone")); err == nil {
		k.T.Error("what was written to a mount is in the image")
	}
}

// nothingLeft checks the store and the cgroups after the next build.
func (k *kill) nothingLeft() {
	k.T.Helper()
	for _, name := range []string{"tmp", "build/run"} {
		entries, err := os.ReadDir(filepath.Join(k.store.StoreDir, name))
		if err != nil {
			k.T.Fatal(err)
		}
		for _, e := range entries {
			k.T.Errorf("left: %s/%s", name, e.Name())
		}
	}
	if len(k.cgroups) == 0 {
		return
	}
	for _, dir := range cgroupsOf(k.T) {
		for _, id := range k.cgroups {
			if strings.Contains(filepath.Base(dir), id) {
				k.T.Errorf("left: the cgroup %s", dir)
			}
		}
	}
}

// cgroupsOf lists all cgroups, at any depth.
func cgroupsOf(t testing.TB) (out []string) {
	t.Helper()
	cmd := exec.Command("find", "/sys/fs/cgroup", "-type", "d")
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(pipe); lines.Scan(); {
		out = append(out, lines.Text())
	}
	_ = cmd.Wait() // ignored, because the cgroups of other processes come and go
	return out
}

// TestKilledStepFailsTheBuild: if the minirun process of a step is killed, the build fails with a
// message that says so, and nothing of the step is left.
func TestKilledStepFailsTheBuild(t *testing.T) {
	s := newStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM base\nRUN (sleep 1000 &); echo there; sleep 1000\n"}, "")
	cmd := s.Command("build", "--progress", "plain", dir)
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() && !strings.HasSuffix(lines.Text(), " there") {
	}
	steps := children(cmd.Process.Pid)
	if len(steps) != 1 {
		t.Fatalf("the builder has the children %v", steps)
	}
	if err := syscall.Kill(steps[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	said := ""
	for lines.Scan() {
		said += lines.Text() + "\n"
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(said, "signal: killed") {
		t.Errorf("%v: %s", err, said)
	}
	k := &kill{store: s, dir: dir}
	k.nothingRuns(testbundle.Mounts("self"))
	k.nothingLeft()
}

// TestKillForkBomb: the end of a build kills all processes of a step, however fast it forks.
func TestKillForkBomb(t *testing.T) {
	s := newStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM base\nRUN echo there; i=0; while [ $i -lt 40 ]; do (sleep 1000; sleep 1000) & i=$((i+1)); done; while :; do (:) & done\n"}, "")
	before := len(s.Snapshot())
	for _, signal := range []syscall.Signal{syscall.SIGKILL, syscall.SIGINT} {
		cmd := s.Command("build", "--progress", "plain", dir)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		out, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for lines.Scan() && !strings.HasSuffix(lines.Text(), " there") {
		}
		testbundle.Await(t, "many processes", func() bool { return len(s.Snapshot()) > before+40 })
		if err := syscall.Kill(cmd.Process.Pid, signal); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() {
		}
		if err := cmd.Wait(); err == nil {
			t.Errorf("%v: the build succeeds", signal)
		}
		k := &kill{store: s, dir: dir}
		k.nothingRuns(testbundle.Mounts("self"))
	}
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("FROM base\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	s.builds(dir)
	(&kill{store: s, dir: dir}).nothingLeft()
}
