package crash

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/tests/testbundle"
)

// soakTime is the duration of TestSoak: MINIRUN_SOAK, such as 1h. Without it the test is skipped.
var soakTime, _ = time.ParseDuration(os.Getenv("MINIRUN_SOAK"))

// TestSoak runs mixed commands for a long time, evenly distributed, alongside a few containers that
// live as long: two created from bundles, two from images with monitors, and a minirun that follows
// the events of one of them. Descriptors, memory, mounts, cgroups, threads, processes and files must
// return to their initial values.
//
//	MINIRUN_SOAK=1h MINIRUN_SOAK_COMMANDS=20000 go test -count=1 -v -timeout 2h -run TestSoak ./tests/crash
func TestSoak(t *testing.T) {
	if soakTime == 0 {
		t.Skip("set MINIRUN_SOAK to the time that it may take, such as 1h")
	}
	total := 20000
	if n, err := strconv.Atoi(os.Getenv("MINIRUN_SOAK_COMMANDS")); err == nil {
		total = n
	}
	s := newSoak(t)
	random := rand.New(rand.NewPCG(7, 8))
	begin, done, next := time.Now(), 0, 0
	const intervals = 20
	var readings []reading
	for done < total {
		if done >= next {
			readings = append(readings, s.read(done, time.Since(begin)))
			t.Log(readings[len(readings)-1])
			next += max(1, total/intervals)
		}
		done += s.step(random)
		// Evenly distributed, so that other work on the machine is not disturbed.
		time.Sleep(time.Until(begin.Add(soakTime * time.Duration(done) / time.Duration(total))))
	}
	readings = append(readings, s.read(done, time.Since(begin)))
	t.Logf("%d commands in %v; number of each: %v\n%s", done, time.Since(begin).Round(time.Second), s.counts, readingsTable(readings))
	// The first interval is a warm-up: it creates directories for locks and threads of monitors.
	for _, grown := range readings[len(readings)-1].growth(readings[1], total) {
		t.Error(grown)
	}
	s.stop()
}

// soak holds the long-lived containers of TestSoak, and its resources.
type soak struct {
	*host
	lasting []string // IDs
	image   string   // name of an image
	store   string   // its directory
	events  *exec.Cmd
	memory  string // directory of the test's memory cgroup, "" if it cannot be read
	counts  map[string]int
	short   string // bundle whose program ends at once
}

func newSoak(t *testing.T) *soak {
	t.Helper()
	own := func(s *specs.Spec) { s.Linux.CgroupsPath = "" } // derived from the ID
	h := newHost(t, own)
	s := &soak{host: h, counts: map[string]int{}, short: newHost(t, own, testbundle.Args("true")).Dir}
	s.image, s.store = "soak", filepath.Join(filepath.Dir(h.Dir), "store")
	s.memory = ownMemoryCgroup(t)
	h.Global = []string{"--store", s.store}
	t.Cleanup(s.stop)
	archive := exec.Command("tar", "-C", h.Path("/"), "-cf", filepath.Join(filepath.Dir(h.Dir), "root.tar"), ".")
	if out, err := archive.CombinedOutput(); err != nil {
		t.Fatalf("tar: %v: %s", err, out)
	}
	h.minirun("import", "--change", `CMD ["sleep","100000"]`, archive.Args[4], s.image)
	for _, name := range []string{"-first", "-second"} {
		s.lasting = append(s.lasting, h.ID+name)
		h.minirun("create", "--bundle", h.Dir, h.ID+name)
		h.minirun("start", h.ID+name)
	}
	for _, name := range []string{"-third", "-fourth"} {
		s.lasting = append(s.lasting, h.ID+name)
		h.minirun("run", "--detach", "--network", "none", "--name", h.ID+name, "--health-cmd", "true", "--health-interval", "2s", s.image)
	}
	s.events = h.Command("events", "--interval", "2s", s.lasting[0])
	if err := s.events.Start(); err != nil {
		t.Fatal(err)
	}
	commands.Lock()
	commands.pids[s.events.Process.Pid] = true
	commands.Unlock()
	return s
}

// stop removes the long-lived containers.
func (s *soak) stop() {
	if s.events != nil {
		_ = s.events.Process.Kill()
		_ = s.events.Wait()
		s.events = nil
	}
	for i, id := range s.lasting {
		if i < 2 {
			s.alone("delete", "--force", id)
		} else {
			s.alone("rm", "--force", id)
		}
	}
	s.lasting = nil
}

// step runs a few related commands, and returns their number.
func (s *soak) step(r *rand.Rand) int {
	lasting, id := pick(r, s.lasting), fmt.Sprintf("%s-%d", s.ID, r.IntN(3))
	sequences := [][][]string{
		{{"run", "--bundle", s.short, id}},
		{{"run", "--detach", "--bundle", s.Dir, id}, {"exec", id, "true"}, {"delete", "--force", id}},
		{{"create", "--bundle", s.Dir, id}, {"state", id}, {"start", id}, {"kill", id, "KILL"}, {"delete", "--force", id}},
		{{"create", "--bundle", s.Dir, id}, {"delete", id}},
		{{"exec", lasting, "true"}}, {{"exec", lasting, "sh", "-c", "ls /proc/self/fd"}}, {{"exec", "--user", "1000:1000", lasting, "id"}},
		{{"pause", lasting}, {"state", lasting}, {"resume", lasting}},
		{{"update", "--pids-limit", strconv.Itoa(50 + r.IntN(50)), lasting}}, {{"update", "--memory", strconv.Itoa((64 + r.IntN(64)) << 20), lasting}},
		{{"events", "--stats", lasting}}, {{"list"}}, {{"state", lasting}}, {{"ps", lasting}}, {{"ps"}}, {{"inspect", lasting}},
		{{"run", "--rm", "--network", "none", s.image, "true"}}, {{"run", "--network", "none", "--detach", "--name", id, s.image}, {"logs", id}, {"rm", "--force", id}},
		{{"images"}}, {{"exec", lasting, "none"}}, {{"start", lasting}}, // the last two must fail
	}
	commands := pick(r, sequences)
	for _, words := range commands {
		text, status := s.alone(words...)
		s.counts[words[0]]++
		mustFail := words[0] == "start" && words[1] == lasting || words[len(words)-1] == "none" && words[0] == "exec"
		if (status == 0) == mustFail {
			s.t.Errorf("minirun %q: exit status %d: %.500s", words, status, text)
		}
	}
	return len(commands)
}

// reading holds the amounts of everything at one moment.
type reading struct {
	Commands    int
	After       time.Duration
	Mounts      int
	Cgroups     int
	Processes   int
	Threads     int   // of minirun's own long-lived processes
	Descriptors int   // of this process, and of those
	RSS         int   // KiB, of those
	Files       int   // below the state directory and the store
	Kernel      int64 // KiB of kernel memory charged to this test's cgroup, -1 if it cannot be read
	Slab        int   // KiB of the whole machine that cannot be reclaimed: for information
}

func (r reading) String() string {
	return strings.TrimSpace(strings.ReplaceAll(readingsTable([]reading{r}), "\n", "  "))
}

func readingsTable(readings []reading) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "commands\tafter\tmounts\tcgroups\tprocesses\tthreads\tdescriptors\tRSS KiB\tfiles\tkernel KiB\tmachine's slab KiB\t")
	for _, r := range readings {
		fmt.Fprintf(w, "%d\t%v\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n",
			r.Commands, r.After.Round(time.Second), r.Mounts, r.Cgroups, r.Processes, r.Threads, r.Descriptors, r.RSS, r.Files, r.Kernel, r.Slab)
	}
	_ = w.Flush()
	return b.String()
}

// growth lists what has increased since an earlier reading. Counted values must be the same. The Go
// runtime of each of the three long-lived minirun processes creates a few threads and, when it first
// waits for a pipe, two descriptors; its heap grows to 4 MiB before the first collection.
func (r reading) growth(earlier reading, total int) (grown []string) {
	for _, q := range []struct {
		name                  string
		before, now, leastBad int64
	}{
		{"mounts", int64(earlier.Mounts), int64(r.Mounts), 1},
		{"cgroups", int64(earlier.Cgroups), int64(r.Cgroups), 1},
		{"processes", int64(earlier.Processes), int64(r.Processes), 1},
		{"descriptors", int64(earlier.Descriptors), int64(r.Descriptors), 3*2 + 1},
		{"files", int64(earlier.Files), int64(r.Files), 1},
		{"threads", int64(earlier.Threads), int64(r.Threads), 10},
		{"KiB of RSS", int64(earlier.RSS), int64(r.RSS), 3 * 6 << 10},
		{"KiB of kernel memory", earlier.Kernel, r.Kernel, 8<<10 + int64(total)}, // less than 1 KiB for each command
	} {
		if q.now-q.before >= q.leastBad {
			grown = append(grown, fmt.Sprintf("%d %s, %d after the first interval", q.now, q.name, q.before))
		}
	}
	return grown
}

// read takes a reading, after the processes that have just ended are gone.
func (s *soak) read(done int, after time.Duration) reading {
	s.t.Helper()
	time.Sleep(200 * time.Millisecond)
	reap()
	r := reading{Commands: done, After: after, Kernel: s.kernelMemory(), Slab: meminfo("SUnreclaim")}
	for thing := range s.Snapshot() {
		switch kind, rest, _ := strings.Cut(thing, " "); kind {
		case "mount":
			r.Mounts++
		case "cgroup":
			r.Cgroups++
		case "process":
			r.Processes++
			r.add("/proc/" + rest)
		}
	}
	own, _ := os.ReadDir("/proc/self/fd")
	r.Descriptors += len(own)
	for _, dir := range []string{s.Root, s.store} {
		_ = filepath.WalkDir(dir, func(_ string, _ fs.DirEntry, err error) error {
			if err == nil {
				r.Files++
			}
			return nil
		})
	}
	return r
}

// add adds the values of a long-lived minirun, without those of the containers' programs.
func (r *reading) add(proc string) {
	exe, _ := os.Readlink(proc + "/exe")
	if !strings.HasPrefix(filepath.Base(exe), "minirun") {
		return
	}
	r.Threads += statusNumber(proc, "Threads:")
	r.RSS += statusNumber(proc, "VmRSS:")
	fds, _ := os.ReadDir(proc + "/fd")
	r.Descriptors += len(fds)
}

func statusNumber(proc, name string) int {
	text, _ := os.ReadFile(proc + "/status")
	return numberAfter(string(text), name)
}

func meminfo(name string) int {
	text, _ := os.ReadFile("/proc/meminfo")
	return numberAfter(string(text), name+":")
}

func numberAfter(text, name string) (n int) {
	_, after, _ := strings.Cut(text, "\n"+name)
	_, _ = fmt.Sscan(after, &n)
	return n
}

// ownMemoryCgroup moves this process to a memory cgroup of cgroup v1, which reports how much of the
// kernel's memory the test and its containers use.
func ownMemoryCgroup(t *testing.T) string {
	const top = "/sys/fs/cgroup/memory"
	dir := filepath.Join(top, testbundle.Prefix+"soak")
	before, err := os.ReadFile("/proc/self/cgroup")
	if err != nil || os.Mkdir(dir, 0o755) != nil {
		return ""
	}
	join := func(dir string) error { return os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte("0"), 0) }
	if join(dir) != nil {
		_ = os.Remove(dir)
		return ""
	}
	t.Cleanup(func() {
		for line := range strings.Lines(string(before)) {
			if f := strings.SplitN(strings.TrimSpace(line), ":", 3); f[1] == "memory" {
				_ = join(filepath.Join(top, f[2]))
			}
		}
		for range 100 { // commands that are about to end are still in it
			if os.Remove(dir) == nil {
				return
			}
			testbundle.Reap()
			time.Sleep(20 * time.Millisecond)
		}
	})
	return dir
}

// kernelMemory returns the kernel memory that is charged to this test's cgroup, in KiB, after the
// kernel has released what it can.
func (s *soak) kernelMemory() int64 {
	if s.memory == "" {
		return -1
	}
	_ = os.WriteFile(filepath.Join(s.memory, "memory.force_empty"), []byte("0"), 0)
	text, err := os.ReadFile(filepath.Join(s.memory, "memory.kmem.usage_in_bytes"))
	if err != nil {
		return -1
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		return -1
	}
	return n >> 10
}
