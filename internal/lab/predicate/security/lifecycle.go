package security

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/lab/scene"
	"github.com/minirun/minirun/internal/lab/words"
)

// created asks for a container that is created and not started: a process in the bundle's cgroup and on its
// root file system that has not executed the program yet, so that it has neither its argv nor its environment.
type created struct {
	Bundle string `yaml:"bundle"`
}

func (q *created) Holds(_ context.Context, s *scene.Scene) (*scene.Failure, error) {
	expected := words.New("a container from %s that is created, but not started", q.Bundle)
	text, err := os.ReadFile(filepath.Join(s.Start, q.Bundle, "config.json"))
	if err != nil {
		return nil, err
	}
	var config struct{ Linux struct{ CgroupsPath string } }
	if err := json.Unmarshal(text, &config); err != nil {
		return nil, err
	}
	pids := inCgroup(config.Linux.CgroupsPath)
	if len(pids) == 0 {
		return scene.Fail(expected, words.New("no process in the cgroup %s", config.Linux.CgroupsPath), "./minirun list")
	}
	root, err := scene.StatBelow(s.Dir, filepath.Join(q.Bundle, "rootfs"))
	if err != nil {
		return nil, err
	}
	busybox, err := scene.StatBelow(s.Dir, filepath.Join(q.Bundle, "rootfs/bin/busybox"))
	if err != nil {
		return nil, err
	}
	marked := scene.Marked(s.Values["token"])
	for _, pid := range pids {
		p := scene.Process{PID: pid}
		p.Status = scene.ReadStatus(p.Proc("status"))
		look := "ls -l " + p.Proc("exe") + "; ./minirun list"
		program, _ := os.Readlink(p.Proc("exe"))
		switch {
		case slices.ContainsFunc(marked, func(m scene.Process) bool { return m.PID == pid }), isFile(p.Proc("exe"), busybox):
			return scene.Fail(expected, words.New("process %d has executed a program: %s", pid, program), "%s", look)
		case !p.IsInit() || scene.SameNamespace(&p, "mnt") || !isFile(p.Proc("root"), root):
			return scene.Fail(expected, words.New("process %d is not process 1 of a container from %s", pid, q.Bundle), "%s",
				look)
		}
	}
	return nil, nil
}

// inCgroup returns the processes in a cgroup of any hierarchy.
func inCgroup(path string) (pids []int) {
	ours, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil
	}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		text, err := os.ReadFile(filepath.Join("/proc", e.Name(), "cgroup"))
		if err == nil && namesCgroup(string(text), string(ours), path) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// namesCgroup reports whether a line of a process's /proc/PID/cgroup has a path: below the root of its
// hierarchy, or below the cgroup in which this process is there (ours).
func namesCgroup(text, ours, path string) bool {
	for line := range strings.Lines(text) {
		hierarchy, found := splitCgroup(line)
		if found == path {
			return true
		}
		for line := range strings.Lines(ours) {
			if same, parent := splitCgroup(line); same == hierarchy && found == filepath.Join(parent, path) {
				return true
			}
		}
	}
	return false
}

// splitCgroup splits a line ID:CONTROLLERS:PATH (cgroups(7)).
func splitCgroup(line string) (hierarchy, path string) {
	id, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
	_, path, _ = strings.Cut(rest, ":")
	return id, path
}

// isFile reports whether a path leads to a file.
func isFile(path string, file *unix.Stat_t) bool {
	var st unix.Stat_t
	return unix.Stat(path, &st) == nil && st.Ino == file.Ino && st.Dev == file.Dev
}

// joined asks for another process in a container: one that is in its namespaces, but not a child of its
// process 1, as exec starts it.
type joined struct {
	scene.Of `yaml:",inline"`
	Args     []string `yaml:"args"` // its argv
}

func (q *joined) Holds(_ context.Context, s *scene.Scene) (*scene.Failure, error) {
	first, failure := q.Find(s)
	if failure != nil {
		return failure, nil
	}
	expected := words.New("another process with the arguments %q in the container of process %d", q.Args, first.PID)
	look := "./minirun list; pgrep -af " + q.Args[0]
	for _, p := range scene.Marked(s.Values["token"]) {
		data, err := os.ReadFile(p.Proc("cmdline"))
		if err != nil || p.PID == first.PID || !slices.Equal(splitArguments(data), q.Args) {
			continue
		}
		if p.Parent == first.PID {
			return scene.Fail(expected, words.New("process %d is a child of it", p.PID), "%s", look)
		}
		for _, kind := range []string{"pid", "mnt", "uts", "ipc", "net"} {
			if !sharesNamespace(&p, first, kind) {
				return scene.Fail(expected, words.New("process %d is in another %s namespace", p.PID, kind), "%s", look)
			}
		}
		return nil, nil
	}
	return scene.Fail(expected, words.New("none"), "%s", look)
}

func sharesNamespace(a, b *scene.Process, kind string) bool {
	one, err := os.Readlink(a.Proc("ns/" + kind))
	other, failed := os.Readlink(b.Proc("ns/" + kind))
	return err == nil && failed == nil && one == other
}
