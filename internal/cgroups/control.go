// This file handles the processes of a group: listing, signaling, freezing and thawing
// them.

package cgroups

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// State is the freezer state of a group's processes.
type State int

const (
	Thawed   State = iota + 1 // they can run
	Freezing                  // some are still running
	Frozen                    // none is running
	Deleted                   // the cgroup does not exist
)

func (s State) String() string {
	switch s {
	case Thawed:
		return "thawed"
	case Freezing:
		return "freezing"
	case Frozen:
		return "frozen"
	case Deleted:
		return "deleted"
	}
	return "State(" + strconv.Itoa(int(s)) + ")"
}

// Procs lists the processes in the group itself, without child cgroups.
func (g *Group) Procs() ([]int, error) { return g.list(procs) }

// AllProcs lists the processes in the group and in cgroups below it, in any hierarchy:
// one that left its cgroup in one hierarchy is still in the others.
func (g *Group) AllProcs() ([]int, error) { return g.list(treeProcs) }

func (g *Group) list(in func(string) ([]int, error)) ([]int, error) {
	var all []int
	for i := range g.dirs {
		pids, err := in(g.dirs[i].path)
		if err != nil && !gone(err) {
			return nil, fmt.Errorf("list the cgroup's processes: %w", err)
		}
		all = append(all, pids...)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// gone reports whether an error means that a cgroup was removed, before or while it
// was read.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV)
}

// procs reads a cgroup.procs, as PIDs of this PID namespace.
func procs(dir string) ([]int, error) {
	s, err := readText(dir + "/cgroup.procs")
	if err != nil {
		return nil, err
	}
	return parseProcs(s, dir)
}

func parseProcs(text, dir string) (pids []int, err error) {
	for line := range strings.Lines(text) {
		pid, err := strconv.Atoi(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return nil, fmt.Errorf("read %s/cgroup.procs: %w", dir, err)
		}
		if pid > 0 { // 0 is a process of a PID namespace that is not visible here
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// Kill signals every process of the group and of cgroups below it. For SIGKILL the
// kernel's own cgroup.kill is used if it exists; otherwise the group is frozen
// meanwhile, so that no process can fork away. Finally it is thawed, and so are
// cgroups below it that the container froze: a frozen process does not die. Kill does
// not wait until the processes are gone. This process itself is not signaled.
func (g *Group) Kill(sig syscall.Signal) (err error) {
	if d := g.dir("", true); d != nil && sig == unix.SIGKILL {
		// Linux 5.14 and later; without it, and for the v1 hierarchies, whose members
		// may differ, processes are signaled one by one.
		if writeText(d.path+"/cgroup.kill", "1") == nil && g.only {
			return nil
		}
	}
	pids, err := g.AllProcs()
	if err != nil {
		return err
	}
	// If this process is in the group, freezing would stop it too, and with it the
	// thawing.
	if self := slices.Contains(pids, os.Getpid()); sig == unix.SIGKILL && len(pids) > 0 && !self {
		if d := g.dir("freezer", false); d != nil {
			// Not waited for: a process that is missed is found by the next call.
			if writeText(d.path+"/freezer.state", "FROZEN") == nil {
				// A frozen process does not die: a failure to thaw is a failure to
				// kill.
				defer func() { err = errors.Join(err, g.ThawInside()) }()
				if pids, err = g.AllProcs(); err != nil {
					return err
				}
			}
		}
	}
	for _, pid := range pids {
		if pid == os.Getpid() {
			continue
		}
		if err := unix.Kill(pid, sig); err != nil && err != unix.ESRCH {
			return fmt.Errorf("send signal %d to process %d: %w", sig, pid, err)
		}
	}
	return nil
}

// Freeze stops all processes of the group, including those started meanwhile, and
// returns when they have stopped. If ctx ends first they are thawed again.
func (g *Group) Freeze(ctx context.Context) error {
	if err := g.freezeTo(ctx, Frozen); err != nil {
		thaw, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		return errors.Join(fmt.Errorf("freeze the cgroup: %w", err), g.freezeTo(thaw, Thawed))
	}
	return nil
}

// Thaw lets the processes of the group continue.
func (g *Group) Thaw(ctx context.Context) error {
	if err := g.freezeTo(ctx, Thawed); err != nil {
		return fmt.Errorf("thaw the cgroup: %w", err)
	}
	return nil
}

// errNoFreezer means that the group is neither in a v1 freezer hierarchy nor in a v2
// tree.
var errNoFreezer = errors.New("the container has no cgroup that can be frozen: controller freezer is not mounted")

func (g *Group) freezeTo(ctx context.Context, want State) error {
	v1, v2 := g.dir("freezer", false), g.dir("", true)
	var file, value string
	switch {
	case v1 != nil:
		file, value = v1.path+"/freezer.state", "THAWED"
		if want == Frozen {
			value = "FROZEN"
		}
	case v2 != nil:
		file, value = v2.path+"/cgroup.freeze", "0"
		if want == Frozen {
			value = "1"
		}
	default:
		return errNoFreezer
	}
	wait := 20 * time.Microsecond
	for try := 0; ; try++ {
		// The v1 freezer can get stuck on a process that forked at the same time;
		// writing again makes it check again.
		if try%16 == 0 {
			if err := writeText(file, value); err != nil {
				return err
			}
		}
		if is, err := g.State(); err != nil || is == want {
			return err
		} else if is == Deleted {
			return fmt.Errorf("%s: %w", file, fs.ErrNotExist)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", file, context.Cause(ctx))
		case <-time.After(wait):
		}
		wait = min(2*wait, 2*time.Millisecond)
	}
}

// Paused reports whether freezing the group was requested; [Group.State] reports
// whether every process has stopped already. It reads one file.
func (g *Group) Paused() (bool, error) {
	d, file, running := g.dir("freezer", false), "/freezer.state", "THAWED"
	if d == nil {
		d, file, running = g.dir("", true), "/cgroup.freeze", "0"
	}
	if d == nil {
		return false, nil
	}
	s, err := readText(d.path + file)
	if err != nil && gone(err) {
		return false, nil
	}
	return err == nil && s != running, err
}

// State returns the state of the freezer. A group without a freezer is Thawed.
func (g *Group) State() (State, error) {
	if d := g.dir("freezer", false); d != nil {
		s, err := readText(d.path + "/freezer.state")
		switch {
		case err != nil && gone(err):
			return Deleted, nil
		case err != nil:
			return 0, err
		case s == "THAWED":
			return Thawed, nil
		case s == "FREEZING":
			return Freezing, nil
		case s == "FROZEN":
			return Frozen, nil
		}
		return 0, fmt.Errorf("%s/freezer.state says %q", d.path, s)
	}
	d := g.dir("", true)
	if d == nil {
		for i := range g.dirs {
			if _, err := os.Stat(g.dirs[i].path); err != nil && gone(err) {
				return Deleted, nil
			}
		}
		return Thawed, nil
	}
	asked, err := readText(d.path + "/cgroup.freeze")
	if err == nil {
		var events string
		if events, err = readText(d.path + "/cgroup.events"); err == nil {
			frozen := strings.Contains("\n"+events+"\n", "\nfrozen 1\n")
			switch {
			case asked == "0" && !frozen:
				return Thawed, nil
			case asked == "1" && frozen:
				return Frozen, nil
			}
			return Freezing, nil
		}
	}
	if gone(err) {
		return Deleted, nil
	}
	return 0, err
}
