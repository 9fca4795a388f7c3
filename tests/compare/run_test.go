// One run of one bundle under one runtime.
package compare

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// runOptions define how the runtime is called, in addition to `run --bundle DIR --pid-file FILE ID`.
type runOptions struct {
	stdin        string     // "" a pipe that releases the probe, "null", "closed", "file"
	stdout       string     // "" a pipe, "file", "null" (the probe then reports through ask.Out)
	terminal     string     // "" none, "own" the runtime's own stdio is a terminal, "socket" --detach with --console-socket
	detach       bool       // --detach
	split        bool       // create and start instead of run
	created      [][]string // command lines between create and start, as verbs
	preserveFDs  int        // number of descriptors passed with --preserve-fds
	extraFDs     int        // number of other descriptors that are open in the runtime
	flags        []string   // further flags
	wrap         []string   // prepended to the runtime's command line
	env          []string   // added to the runtime's environment
	state        bool       // query the container's state from the runtime while it runs
	signalOnHold string     // signal sent to the runtime while the probe waits (it forwards it), "TERM"

	global []string   // flags before the command, for all commands
	user   bool       // as an unprivileged user, with the output of `runc spec --rootless`
	verbs  [][]string // further command lines of the runtime while the probe waits; see verbs_test.go
}

const patience = 20 * time.Second

// runUnder creates the bundle, runs it, and removes everything afterwards in any case.
func (c *testCase) runUnder(t *testing.T, rt *ociRuntime, id string) (Fields, error) {
	judged := rt == candidate
	rt, err := rt.as(c.run)
	if err != nil {
		return nil, err
	}
	b, err := c.makeBundle(t, rt, id)
	if err != nil {
		return nil, err
	}
	defer b.close()
	n := newNormaliser(b)
	for identity, kind := range b.joined {
		n.joined[identity] = kind
	}
	r := &run{c: c, b: b, n: n, fields: Fields{}, pidFile: filepath.Join(box.dir, "pid-"+id)}
	if rt.user != 0 {
		r.pidFile = filepath.Join(b.dir, "pid") // where the user may write
	}
	defer os.Remove(r.pidFile)
	hostMounts, ourMounts := mountTable(rt.hostPID), mountTable("self")

	err = r.do()

	// Leftovers after the end of the container, and after delete --force.
	r.left("left", hostMounts, ourMounts)
	remove := rt.command(nil, "delete", "-f", id)
	out, deleteErr := remove.CombinedOutput()
	r.fields.set("delete.exit", exitWord(remove))
	if deleteErr != nil && err == nil && remove.ProcessState == nil {
		err = fmt.Errorf("delete: %w: %s", deleteErr, out)
	}
	defer removeTagged(box.tag)
	if left := r.left("deleted", hostMounts, ourMounts); left != "" {
		if judged && !c.random {
			t.Errorf("%s left after delete -f: %s", rt.name, left)
		} else {
			t.Logf("%s left after delete -f: %s", rt.name, left)
		}
		r.force(hostMounts)
	}
	return r.fields, err
}

type run struct {
	c       *testCase
	b       *bundle
	n       *normaliser
	fields  Fields
	pidFile string
	stdio   *stdio
}

// noReport is the error for a container whose program has not reported: it was not executed, or it is
// not the probe.
type noReport struct{ text string }

func (e *noReport) Error() string { return "no report from the probe (" + e.text + ")" }

func (r *run) do() error {
	opts := r.c.run
	args := []string{"run", "--bundle", r.b.dir, "--pid-file", r.pidFile}
	if opts.split {
		args[0] = "create"
	} else if r.detached() {
		args = append(args, "--detach")
	}
	if opts.preserveFDs > 0 {
		args = append(args, "--preserve-fds", strconv.Itoa(opts.preserveFDs))
	}
	args = append(args, opts.flags...)
	var err error
	if r.stdio, err = openStdio(r.b, opts); err != nil {
		return err
	}
	defer r.stdio.close()
	args = append(args, r.stdio.flags...)
	cmd := r.b.rt.command(opts.wrap, append(args, r.b.id)...)
	cmd.Env = append(cmd.Env, opts.env...)
	if err := r.stdio.attach(cmd); err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	r.stdio.started()
	exited := make(chan struct{})
	go func() { cmd.Wait(); close(exited) }()
	// In every case the runtime is killed before this function returns.
	defer func() { cmd.Process.Kill(); <-exited }()

	if opts.split {
		if err := r.start(cmd, exited); err != nil {
			return err
		}
	}
	if r.c.plain {
		if !r.detached() {
			r.stdio.release()
		}
	} else if err := r.meetProbe(cmd, exited); err != nil {
		return err
	}
	select {
	case <-exited:
	case <-time.After(patience):
		r.fields.set("exit", "did not end")
		return fmt.Errorf("the runtime did not end within %v; stderr: %s", patience, r.stdio.stderr.text())
	}
	r.fields.set("exit", exitWord(cmd))
	r.waitContainer()
	r.finish()
	return r.n.hooks(r.fields, filepath.Join(r.b.dir, "hooks"))
}

// start waits for create, and starts the container.
func (r *run) start(cmd *exec.Cmd, exited chan struct{}) error {
	select {
	case <-exited:
	case <-time.After(patience):
		return fmt.Errorf("create did not end within %v; stderr: %s", patience, r.stdio.stderr.text())
	}
	r.fields.set("exit", exitWord(cmd))
	if exitWord(cmd) != "0" {
		r.stdio.drain()
		return &noReport{"create: exit " + exitWord(cmd) + ": " + r.stdio.stderr.text()}
	}
	if r.c.run.created != nil {
		r.n.pid = r.awaitPID()
		r.verbs("created", r.c.run.created)
	}
	start := r.b.rt.command(nil, "start", r.b.id)
	out, _ := start.CombinedOutput()
	r.fields.set("start.exit", exitWord(start))
	if exitWord(start) != "0" {
		r.stdio.drain()
		return &noReport{"start: exit " + exitWord(start) + ": " + string(out)}
	}
	return nil
}

// meetProbe waits for the probe's report, examines the process from outside, and releases it.
func (r *run) meetProbe(cmd *exec.Cmd, exited chan struct{}) error {
	report, err := r.awaitReport(cmd, exited)
	if err != nil {
		return err
	}
	var raw map[string]string
	if err := json.Unmarshal(report, &raw); err != nil {
		return fmt.Errorf("the probe's report: %w", err)
	}
	holds := !r.c.ask.NoHold && r.c.run.stdin == ""
	if r.detached() { // before the runtime ends, its child does not have its final parent
		select {
		case <-exited:
		case <-time.After(patience):
			return fmt.Errorf("the runtime did not detach within %v", patience)
		}
	}
	if r.n.pid = r.awaitPID(); r.n.pid == 0 {
		r.fields.set("pid-file", "no process number in it")
	} else if holds {
		r.n.outside(r.fields, r.n.pid)
		r.n.unit(r.fields, r.n.pid)
	}
	if r.c.run.state && holds {
		out, err := r.b.rt.command(nil, "state", r.b.id).Output()
		if err != nil {
			return fmt.Errorf("state: %w", err)
		}
		r.n.state(r.fields, "state.", string(out))
	}
	if holds {
		r.verbs("did", r.c.run.verbs)
	}
	own := r.n.own
	r.n.own = map[string]string{} // seen from inside, its own namespaces are "own"
	r.n.report(r.fields, "in.", raw)
	r.n.own = own
	if signal := r.c.run.signalOnHold; signal != "" {
		return cmd.Process.Signal(unix.SignalNum("SIG" + signal))
	}
	r.stdio.release()
	return nil
}

// awaitReport polls and does not block: the report may come through a pipe, a terminal or a file.
func (r *run) awaitReport(cmd *exec.Cmd, exited chan struct{}) ([]byte, error) {
	deadline := time.Now().Add(patience)
	for {
		if report, _ := lines(r.stdio.output()); report != nil {
			return report, nil
		}
		select {
		case <-exited:
			// A detached container may be about to write; in any case the readers may be slightly
			// late.
			if exitWord(cmd) != "0" || !r.detached() || r.ended() {
				deadline = minTime(deadline, time.Now().Add(50*time.Millisecond))
				exited = nil
			} else {
				time.Sleep(time.Millisecond)
			}
		case <-time.After(time.Millisecond):
		}
		if time.Now().After(deadline) {
			r.fields.set("exit", exitWord(cmd))
			r.stdio.drain()
			return nil, &noReport{fmt.Sprintf("runtime's exit: %s; stdout %q; stderr: %s", exitWord(cmd), r.stdio.output(), r.stdio.stderr.text())}
		}
	}
}

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
	entries, _ := os.ReadDir(r.b.rt.stateRoot)
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
