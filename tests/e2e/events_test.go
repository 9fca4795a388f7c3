package e2e

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/cgroups/group"
	"github.com/minirun/minirun/internal/cgroups/stats"
	"github.com/minirun/minirun/internal/container/control"
	"github.com/minirun/minirun/tests/testbundle"
)

// deviceNode returns an entry for linux.devices.
func deviceNode(path string, major, minor int64) specs.LinuxDevice {
	return specs.LinuxDevice{Path: path, Type: "c", Major: major, Minor: minor}
}

// awaitText waits until a file has a line, and returns it.
func awaitText(t *testing.T, file string) string {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if text, err := os.ReadFile(file); err == nil && strings.HasSuffix(string(text), "\n") {
			return strings.TrimSpace(string(text))
		}
	}
	t.Fatalf("nothing comes into %s", file)
	return ""
}

func TestEventsStats(t *testing.T) {
	b := testbundle.New(t, testbundle.Args("sleep", "1000"))
	b.Spec.Linux.Resources.Pids = &specs.LinuxPids{Limit: new(int64)}
	*b.Spec.Linux.Resources.Pids.Limit = 33
	pid := detached(t, b)
	r := b.Minirun("events", "--stats", b.ID)
	r.Exit(t, 0)
	if strings.Count(r.Stdout, "\n") != 1 || !strings.HasPrefix(r.Stdout, `{"type":"stats","id":"`+b.ID+`","data":{"cpu":{"usage":{"total":`) {
		t.Errorf("%s", r.Stdout)
	}
	var event struct{ Data stats.Stats }
	if err := json.Unmarshal([]byte(r.Stdout), &event); err != nil {
		t.Fatal(err)
	}
	if s := event.Data; s.Pids.Current != 1 || s.Pids.Limit != 33 || s.CPU.Usage.Total == 0 || s.Memory.Usage.Usage == 0 {
		t.Errorf("%+v", s)
	}
	b.Minirun("events", "--stats", "nosuch").Fails(t, "container does not exist")
	b.Minirun("events", "--interval", "0s", b.ID).Fails(t, "--interval")
	b.Minirun("events", "--interval", "soon", b.ID).Fails(t, "--interval")
	b.Minirun("events").Fails(t, "missing argument: ID")
	b.Minirun("kill", b.ID, "KILL").Exit(t, 0)
	reap(pid)
	b.Minirun("events", "--stats", b.ID).Fails(t, "is not running")
	b.Minirun("events", b.ID).Fails(t, "is not running")
}

// TestStatsAsRunc reads the cgroups of a container of runc, paused so that the numbers do not change:
// minirun must report the same as runc.
func TestStatsAsRunc(t *testing.T) {
	testbundle.Need(t)
	runc := runcBeside(t)
	paths := runc.start(t, testbundle.Sh("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; exec sleep 1000"), func(s *specs.Spec) {
		quota, period, limit := int64(5000), uint64(10000), int64(64<<20)
		s.Linux.Resources.CPU = &specs.LinuxCPU{Quota: &quota, Period: &period}
		s.Linux.Resources.Memory = &specs.LinuxMemory{Limit: &limit}
	})
	testbundle.Await(t, "the end of the loop", func() bool { return !strings.Contains(runc.run(t, "ps", runc.bundle.ID), "while") })
	runc.run(t, "pause", runc.bundle.ID)
	defer runc.run(t, "resume", runc.bundle.ID)
	// The kernel may still count a period between the two samples.
	ours, theirs := "", ""
	for range 10 {
		theirs = runc.run(t, "events", "--stats", runc.bundle.ID)
		if ours = sampleAsEvent(t, paths, runc.bundle.ID); ours == theirs {
			break
		}
	}
	if onV2(t) {
		// On v2 minirun reports more (PSI, cpuset lists, the peak), and the kernel updates
		// memory.stat only every other second.
		var more, less map[string]any
		if err := errors.Join(json.Unmarshal([]byte(ours), &more), json.Unmarshal([]byte(theirs), &less)); err != nil {
			t.Fatal(err)
		}
		contained(t, "", more, less)
	} else if ours != theirs {
		t.Errorf("minirun:\n%s\nrunc:\n%s", ours, theirs)
	}
}

// sampleAsEvent returns the statistics of cgroups in the form of `events --stats`.
func sampleAsEvent(t *testing.T, paths map[string]string, id string) string {
	t.Helper()
	sample, err := stats.Read(group.Open(paths))
	if err != nil {
		t.Fatal(err)
	}
	if !onV2(t) {
		// runc ignores the v2 tree of a hybrid host.
		sample.Hugetlb = map[string]stats.HugetlbStats{}
	}
	text, err := json.Marshal(control.Event{Type: "stats", ID: id, Data: &control.Stats{Stats: *sample}})
	if err != nil {
		t.Fatal(err)
	}
	return string(text) + "\n"
}

// contained checks that everything in less is also in more, in the same place.
func contained(t *testing.T, path string, more, less any) {
	t.Helper()
	m, isMap := less.(map[string]any)
	if !isMap {
		if more != less && !strings.HasPrefix(path, "/data/memory/raw/") {
			t.Errorf("%s: minirun has %v, runc %v", path, more, less)
		}
		return
	}
	have, _ := more.(map[string]any)
	for k, v := range m {
		if _, ok := have[k]; !ok {
			t.Errorf("%s: minirun has no %s", path, k)
			continue
		}
		contained(t, path+"/"+k, have[k], v)
	}
}

// follow runs `events` and returns its lines, by type.
func follow(t *testing.T, b *testbundle.Bundle, interval string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := b.Command("events", "--interval", interval, b.ID)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	b.Start(cmd)
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	return cmd, lines
}

func typeOf(t *testing.T, line string) string {
	t.Helper()
	var e struct{ Type, ID string }
	if err := json.Unmarshal([]byte(line), &e); err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	return e.Type
}

func TestEventsInterval(t *testing.T) {
	b := testbundle.New(t, testbundle.Args("sleep", "1000"))
	pid := detached(t, b)
	cmd, lines := follow(t, b, "50ms")
	begin := time.Now()
	for range 3 {
		if !lines.Scan() || typeOf(t, lines.Text()) != "stats" {
			t.Fatalf("%q", lines.Text())
		}
	}
	if took := time.Since(begin); took < 120*time.Millisecond {
		t.Errorf("three samples 50 ms apart took %v", took)
	}
	// When the container ends, the command ends.
	b.Minirun("kill", b.ID, "KILL").Exit(t, 0)
	reap(pid)
	for lines.Scan() {
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// TestEventsReportEachOOMKill: each OOM kill of a process is reported, also if it ends the container.
func TestEventsReportEachOOMKill(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh("while ! [ -e /tmp/go ]; do sleep 0.01; done; tail /dev/zero; sleep 0.2; exec tail /dev/zero"), testbundle.Writable)
	limit := int64(16 << 20)
	b.Spec.Linux.Resources.Memory = &specs.LinuxMemory{Limit: &limit, Swap: &limit}
	detached(t, b)
	cmd, lines := follow(t, b, "10ms")
	if !lines.Scan() { // now it is watching
		t.Fatal("no event")
	}
	b.File("tmp/go", "", 0o644)
	oom := 0
	for lines.Scan() {
		if typeOf(t, lines.Text()) == "oom" {
			oom++
			if want := `{"type":"oom","id":"` + b.ID + `"}`; lines.Text() != want {
				t.Errorf("%s, want %s", lines.Text(), want)
			}
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	testbundle.Reap()
	if oom < 2 {
		t.Errorf("out of memory was reported %d times, want 2", oom)
	}
}
