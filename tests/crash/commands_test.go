package crash

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/tests/testbundle"
)

// TestRandomCommands runs random commands with random flags on three IDs, sequentially and several at
// once: whatever the state of a container is, each command ends, none with a panic of the Go runtime,
// and delete --force leaves nothing.
func TestRandomCommands(t *testing.T) {
	h, bundles := commandBundles(t)
	ids := [3]string{h.ID + "-a", h.ID + "-b", h.ID + "-c"}
	t.Cleanup(func() { h.deleteAll() })
	before := h.Snapshot()
	total, statuses, verbs := amount(250, 5000), map[int]int{}, map[string]int{}
	var lock sync.Mutex
	const atOnce, round = 3, 50
	for begin := 0; begin < total; begin += round {
		calls := make(chan []string, round)
		random := rand.New(rand.NewPCG(5, uint64(begin)))
		for range round {
			calls <- randomCommand(random, ids[:], bundles)
		}
		close(calls)
		workers := 1
		if begin/round%2 == 1 {
			workers = atOnce
		}
		var group sync.WaitGroup
		for range workers {
			group.Go(func() {
				for words := range calls {
					text, status := h.unstuck(ids[:], words)
					lock.Lock()
					statuses[status]++
					verbs[words[0]]++
					lock.Unlock()
					if wrong := commandEnd(text, status); wrong != "" {
						t.Errorf("commands %d to %d: minirun %q: %s: exit status %d: %.2000s", begin, begin+round, words, wrong, status, text)
					}
				}
			})
		}
		group.Wait()
		for _, failed := range h.deleteAll() {
			t.Errorf("commands %d to %d: %s", begin, begin+round, failed)
		}
		if left := h.LeaksSince(before); len(left) > 0 {
			t.Errorf("commands %d to %d: left over:\n\t%s", begin, begin+round, strings.Join(left, "\n\t"))
			before = h.Snapshot()
		}
	}
	t.Logf("%d commands; number of each exit status: %v, of each command: %v", total, statuses, verbs)
}

// commandBundles returns bundles of every kind, including one whose program ends at once and one that
// cannot be started. The first container's host runs the commands.
func commandBundles(t *testing.T) (h *host, dirs []string) {
	own := func(s *specs.Spec) { s.Linux.CgroupsPath = "" } // derived from the ID
	h = newHost(t, own)
	dirs = append(dirs, h.Dir, h.Dir, newHost(t, own, testbundle.Args("true")).Dir, newHost(t, own, testbundle.Args("/there/is/none")).Dir)
	for _, k := range kinds {
		if k.name != "layers" { // files written by the user are kept
			dirs = append(dirs, newHost(t, append(k.change, own)...).Dir)
		}
	}
	return h, append(dirs, filepath.Join(filepath.Dir(h.Dir), "missing"))
}

// deleteAll deletes every container: its ID may also be one of the odd ones, or one that run
// generates if none is given.
func (h *host) deleteAll() (failed []string) {
	entries, _ := os.ReadDir(h.Root)
	for _, e := range entries {
		if text, status := h.alone("delete", "--force", "--", e.Name()); status != 0 {
			failed = append(failed, fmt.Sprintf("delete --force %s: exit status %d: %s", e.Name(), status, text))
		}
	}
	return failed
}

// unstuck runs a command. If it does not end in time, it may be waiting for a process that another
// command has paused, or stopped with a signal.
func (h *host) unstuck(ids []string, words []string) (text string, status int) {
	timer := time.AfterFunc(hangLimit/4, func() {
		for _, id := range ids { // resume waits for the command's lock, kill does not
			_ = exec.Command(testbundle.Binary, "--root", h.Root, "kill", id, "CONT").Run()
		}
		for _, id := range ids {
			_ = exec.Command(testbundle.Binary, "--root", h.Root, "resume", id).Run()
		}
	})
	defer timer.Stop()
	return h.alone(words...)
}

// commandEnd returns what is wrong with the way in which a command ended.
func commandEnd(text string, status int) string {
	switch {
	case status == -1:
		return "it did not end"
	case strings.Contains(text, "goroutine ") || strings.Contains(text, "runtime error"):
		return "the Go runtime gave up"
	case status != 0 && !strings.Contains(text, "minirun") && status < 125 && status != 1 && status != 7 && status != 2:
		return "no message"
	}
	return ""
}

// randomCommand returns a command with an ID, or almost.
func randomCommand(r *rand.Rand, ids, bundles []string) []string {
	id := pick(r, ids)
	if r.IntN(20) == 0 {
		id = pick(r, []string{"", "..", "../x", "-", "none", "a b", strings.Repeat("x", 1100), "\xff"})
	}
	words := append([]string{}, pick(r, commandLines)...)
	for i, word := range words {
		switch word {
		case "ID":
			words[i] = id
		case "BUNDLE":
			words[i] = pick(r, bundles)
		case "PIDFILE":
			words[i] = filepath.Join(filepath.Dir(bundles[0]), "pid")
		}
	}
	switch r.IntN(25) {
	case 0: // an unknown flag, or a flag without its value
		words = append(words, pick(r, []string{"--none", "--format", "-", "--", "--pid-file", "-b"}))
	case 1: // one argument is missing
		words = words[:len(words)-1]
	case 2: // flags last
		if len(words) > 1 {
			words = append(append(words[:1:1], words[len(words)-1]), words[1:len(words)-1]...)
		}
	}
	if len(words) == 0 {
		words = []string{"--help"}
	}
	return words
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// commandLines lists all commands for containers created from bundles. Commands that run until their
// container ends do not get a container that never ends. Frequent commands are listed twice.
var commandLines = [][]string{
	{"create", "--bundle", "BUNDLE", "ID"}, {"create", "--bundle", "BUNDLE", "ID"}, {"create", "--bundle", "BUNDLE", "ID"}, {"create", "-b", "BUNDLE", "--pid-file", "PIDFILE", "ID"},
	{"create", "--bundle", "BUNDLE", "--no-pivot", "ID"}, {"create", "--bundle", "BUNDLE", "--preserve-fds", "3", "ID"}, {"create", "--bundle", "BUNDLE", "--console-socket", "/there/is/none", "ID"},
	{"run", "--detach", "--bundle", "BUNDLE", "ID"}, {"run", "--detach", "--bundle", "BUNDLE", "ID"}, {"run", "-d", "--no-new-keyring", "-b", "BUNDLE", "ID"}, {"run", "--detach", "--keep", "--bundle", "BUNDLE", "ID"},
	{"start", "ID"}, {"start", "ID"}, {"start", "ID"}, {"start", "ID"},
	{"kill", "ID"}, {"kill", "ID", "KILL"}, {"kill", "ID", "9"}, {"kill", "ID", "SIGTERM"}, {"kill", "--all", "ID", "KILL"}, {"kill", "-a", "ID", "0"}, {"kill", "ID", "NONE"}, {"kill", "ID", "-1"}, {"kill", "ID", "65"}, {"kill", "ID", "STOP"}, {"kill", "ID", "CONT"},
	{"delete", "ID"}, {"delete", "ID"}, {"delete", "--force", "ID"}, {"delete", "-f", "ID"}, {"delete", "ID", "ID"},
	{"pause", "ID"}, {"pause", "ID"}, {"resume", "ID"}, {"resume", "ID"}, {"resume", "ID"},
	{"exec", "ID", "true"}, {"exec", "ID", "sh", "-c", "exit 7"}, {"exec", "--detach", "ID", "sleep", "1000"}, {"exec", "ID", "none"}, {"exec", "--user", "1000:5", "--cwd", "/tmp", "--env", "A=b", "ID", "id"}, {"exec", "--cap", "CAP_KILL", "--no-new-privs", "ID", "true"},
	{"exec", "--process", "/there/is/none", "ID"}, {"exec", "--tty", "ID", "true"}, {"exec", "--cgroup", "none", "ID", "true"}, {"exec", "ID", "cat"}, {"exec", "--detach", "--pid-file", "PIDFILE", "ID", "true"}, {"exec", "--preserve-fds", "2", "ID", "true"},
	{"state", "ID"}, {"state", "ID"}, {"list"}, {"list", "--format", "json"}, {"list", "-q"}, {"ps", "ID"}, {"ps", "--format", "json", "ID"}, {"ps", "ID", "-o", "pid,args"}, {"ps"}, {"events", "--stats", "ID"},
	{"update", "--memory", "67108864", "ID"}, {"update", "--memory", "1", "ID"}, {"update", "--pids-limit", "50", "ID"}, {"update", "--pids-limit", "-1", "ID"}, {"update", "--cpu-quota", "50000", "--cpu-period", "100000", "ID"}, {"update", "--cpuset-cpus", "0", "ID"}, {"update", "--cpuset-cpus", "x", "ID"}, {"update", "--resources", "/there/is/none", "ID"}, {"update", "--cpu-share", "100", "--blkio-weight", "100", "ID"}, {"update", "ID"},
	{"inspect", "ID"}, {"layers", "ID"}, {"plan", "--bundle", "BUNDLE", "ID"}, {"logs", "ID"}, {"stop", "ID"}, {"rm", "ID"}, {"features"}, {"none", "ID"}, {"--root", "/there/is/none", "list"},
}
