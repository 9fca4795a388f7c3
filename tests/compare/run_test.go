// One run of one bundle under one runtime.
package compare

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
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
