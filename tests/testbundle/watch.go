package testbundle

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long it may take until ended processes disappear. Only tests of this package change
// it.
var patience = 3 * time.Second

// Watch records the current state and, when the test ends, fails the test for everything that was
// added: mounts, the tests' cgroups, processes below this one, files in the state directory, named
// network namespaces. Mounts must not be removed either: an unmount propagates as a mount does.
func (b *Bundle) Watch() {
	b.t.Helper()
	if parallelTests.has(b.t) {
		b.watchOwn()
		return
	}
	before := b.Snapshot()
	b.t.Cleanup(func() {
		for _, leak := range b.LeaksSince(before) {
			b.t.Errorf("left over: %s", leak)
		}
	})
}

// LeaksSince returns what exists now and was not in a snapshot, each with its type as the first word.
func (b *Bundle) LeaksSince(before map[string]bool) []string {
	return leaksSince(before, b.Snapshot)
}

// leaksSince waits until what snapshot returns has nothing that before does not have, and returns what
// it still has after a while.
func leaksSince(before map[string]bool, snapshot func() map[string]bool) []string {
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		Reap() // processes of a killed minirun that exited are our children
		var more []string
		now := snapshot()
		for thing := range now {
			if !before[thing] {
				more = append(more, thing+name(thing))
			}
		}
		for thing := range before {
			if strings.HasPrefix(thing, "mount ") && !now[thing] {
				more = append(more, "unmounted "+thing)
			}
		}
		if len(more) == 0 || time.Now().After(end) {
			return more
		}
	}
}

// Snapshot lists everything that a container could leave, each with its type.
func (b *Bundle) Snapshot() map[string]bool { return snapshot(b.Root) }

// snapshot lists what containers could leave, and the state directories in root, if it is not "".
func snapshot(root string) map[string]bool {
	all := map[string]bool{}
	for _, m := range Mounts("self") {
		all["mount "+m] = true
	}
	cgroups(all)
	processes(all)
	states(all, root)
	entries, _ := os.ReadDir("/run/netns")
	for _, e := range entries {
		all["network namespace "+e.Name()] = true
	}
	return all
}

// states adds the state directories in root.
func states(all map[string]bool, root string) {
	if root == "" {
		return
	}
	entries, _ := os.ReadDir(root)
	for _, e := range entries {
		all["state "+e.Name()] = true
	}
}

// Mounts lists the mounts visible to a process: mountpoint, root, type, source.
func Mounts(pid string) []string {
	data, err := os.ReadFile("/proc/" + pid + "/mountinfo")
	if err != nil {
		return nil
	}
	var out []string
	for _, line := range strings.Split(strings.TrimSpace(string(data)), "\n") {
		f := strings.Fields(line)
		_, end, _ := strings.Cut(line, " - ")
		out = append(out, fmt.Sprintf("%s on %s (root %s, id %s)", end, f[4], f[3], f[0]))
	}
	return out
}

// cgroups adds those whose name shows that they belong to this process's tests.
func cgroups(all map[string]bool) {
	_ = filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && strings.HasPrefix(strings.TrimPrefix(d.Name(), "minirun-"), Prefix) {
			all["cgroup "+path] = true
		}
		return nil // other cgroups may appear and disappear at the same time
	})
}

// processes adds every descendant of this process except zombies of the test's own commands.
func processes(all map[string]bool) {
	parents := map[int]int{}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		data, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue
		}
		f := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
		parents[pid], _ = strconv.Atoi(f[1])
	}
	self := os.Getpid()
	for pid := range parents {
		for p := pid; p > 1; p = parents[p] {
			if parents[p] == self {
				all[fmt.Sprintf("process %d", pid)] = true
				break
			}
		}
	}
}

// Reap reaps the processes of containers that exited after the minirun that created them: this
// process is a subreaper, so they are its children. No command of the test itself may be running.
func Reap() {
	for {
		pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
		if pid <= 0 && !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// name describes a process: it is identified by its PID, because its name changes with execve.
func name(thing string) string {
	pid, isProcess := strings.CutPrefix(thing, "process ")
	if !isProcess {
		return ""
	}
	text, _ := os.ReadFile("/proc/" + pid + "/stat")
	return ": " + string(text)
}

// Namespace returns the identity of a process's namespace, such as "pid:[4026531836]".
func Namespace(pid, kind string) string {
	text, err := os.Readlink("/proc/" + pid + "/ns/" + kind)
	if err != nil {
		return err.Error()
	}
	return text
}
