package compare

import (
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

func minTime(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func (r *run) detached() bool {
	return r.c.run.detach || r.c.run.split || r.c.run.terminal == "socket"
}

// ended reports whether the first process of a detached container is gone, or is waiting to be
// reaped.
func (r *run) ended() bool {
	stat := readOr("/proc/" + strings.TrimSpace(readOr(r.pidFile)) + "/stat")
	return stat == "" || strings.HasPrefix(stat[max(0, strings.LastIndexByte(stat, ')')):], ") Z")
}

// awaitPID waits for the pid file: runc writes it when the container's program is already running.
func (r *run) awaitPID() int {
	for deadline := time.Now().Add(2 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if pid, err := strconv.Atoi(strings.TrimSpace(readOr(r.pidFile))); err == nil {
			return pid
		}
	}
	return 0
}

// waitContainer waits for a detached container to end. Its first process is now this process's child,
// or has already been reaped by its own parent.
func (r *run) waitContainer() {
	if !r.detached() {
		return
	}
	pid, err := strconv.Atoi(strings.TrimSpace(readOr(r.pidFile)))
	if err != nil {
		r.fields.set("container.exit", err)
		return
	}
	if r.c.plain {
		r.stdio.release()
	}
	var status unix.WaitStatus
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		got, err := unix.Wait4(pid, &status, unix.WNOHANG, nil)
		if err == unix.EINTR || err == nil && got == 0 {
			continue
		}
		if err != nil {
			r.fields.set("container.exit", "not this process's child: "+err.Error())
			return
		}
		r.fields.set("container.exit", statusWord(status.Exited(), status.ExitStatus(), status.Signaled(), status.Signal().String()))
		return
	}
	r.fields.set("container.exit", "did not end")
}

func (r *run) finish() {
	r.stdio.drain()
	_, rest := lines(r.stdio.output())
	stderr := r.stdio.stderr.text()
	if r.c.run.terminal == "" || r.c.plain { // otherwise a terminal's echo of the release may or may not arrive in time
		r.fields.set("stdout", r.n.text(rest))
	}
	r.fields.set("stderr.empty", stderr == "")
	if stderr != "" {
		r.b.t.Logf("%s: stderr: %s", r.b.rt.name, strings.TrimSpace(stderr))
	}
	r.fields.set("pid-file.exists", readOr(r.pidFile) != "")
}

// left records what exists outside the bundle: container state, cgroups, mounts, processes.
func (r *run) left(prefix string, hostMounts, ourMounts []string) string {
	var all []string
	record := func(kind string, items []string) {
		for i := range items {
			items[i] = r.n.text(items[i])
		}
		sort.Strings(items)
		r.fields.set(prefix+"."+kind, strings.Join(items, " | "))
		all = append(all, items...)
	}
	var state []string
	entries := r.b.rt.stateEntries()
	for _, e := range entries {
		state = append(state, e.Name())
	}
	record("state", state)
	record("cgroups", taggedCgroups(r.b.id))
	// Directories above the container's cgroup that the runtime created on the way: they are
	// compared, but do not count as leftovers.
	kept := all
	record("cgroup parents", others(taggedCgroups(""), r.b.id))
	all = kept
	mounts := newLines(ourMounts, mountTable("self"))
	if r.b.rt.hostPID != "self" {
		mounts = append(mounts, newLines(hostMounts, mountTable(r.b.rt.hostPID))...)
	}
	record("mounts", mounts)
	var processes []string
	for range 20 { // a runtime's helpers may be about to end
		if processes = r.strangers(); len(processes) == 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	record("processes", processes)
	return strings.Join(all, " | ")
}

// strangers lists children of this process that are neither holders nor belong to the case.
func (r *run) strangers() (names []string) {
	for _, child := range children() {
		if !strings.Contains(child, box.probe+" pause") {
			names = append(names, child)
		}
	}
	return names
}

// force removes what a runtime left (which has been recorded), so that the next case starts clean.
func (r *run) force(hostMounts []string) {
	for _, child := range r.strangers() {
		pid, _ := strconv.Atoi(strings.Fields(child)[0])
		unix.Kill(pid, unix.SIGKILL)
		unix.Wait4(pid, nil, 0, nil)
	}
	removeTagged(r.b.id)
	table := parseMountinfo(readOr("/proc/self/mountinfo"))
	for i := len(table) - 1; i >= 0; i-- {
		if strings.HasPrefix(table[i].point, r.b.dir+"/") {
			unix.Unmount(table[i].point, unix.MNT_DETACH)
		}
	}
	os.RemoveAll(filepath.Join(r.b.rt.stateRoot, r.b.id))
}

func exitWord(cmd *exec.Cmd) string {
	if cmd == nil || cmd.ProcessState == nil {
		return "not known"
	}
	status := cmd.ProcessState.Sys().(interface {
		Exited() bool
		ExitStatus() int
		Signaled() bool
	})
	return statusWord(status.Exited(), status.ExitStatus(), status.Signaled(), cmd.ProcessState.String())
}

func statusWord(exited bool, code int, signaled bool, signal string) string {
	switch {
	case exited:
		return strconv.Itoa(code)
	case signaled:
		return "signal: " + strings.TrimPrefix(signal, "signal: ")
	}
	return "?"
}

// others returns the lines that do not contain a text.
func others(lines []string, text string) (rest []string) {
	for _, line := range lines {
		if !strings.Contains(line, text) {
			rest = append(rest, line)
		}
	}
	return rest
}
