package group

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/cgroups/cgroupfs"
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

// Freeze stops all processes of the group, including those started meanwhile, and
// returns when they have stopped. If ctx ends first they are thawed again.
func (g *Group) Freeze(ctx context.Context) error {
	if err := g.changeState(ctx, Frozen); err != nil {
		thaw, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		return errors.Join(fmt.Errorf("freeze the cgroup: %w", err), g.changeState(thaw, Thawed))
	}
	return nil
}

// Thaw lets the processes of the group continue.
func (g *Group) Thaw(ctx context.Context) error {
	if err := g.changeState(ctx, Thawed); err != nil {
		return fmt.Errorf("thaw the cgroup: %w", err)
	}
	return nil
}

// freezerFile is the file that freezes a group, with its two values.
type freezerFile struct{ path, thawed, frozen string }

// errNoFreezer means that the group is neither in a v1 freezer hierarchy nor in a v2
// tree.
var errNoFreezer = errors.New("the container has no cgroup that can be frozen: controller freezer is not mounted")

// freezer returns the group's freezer.state (v1, admin-guide/cgroup-v1/
// freezer-subsystem.rst) or cgroup.freeze (v2, Linux 5.2); ok is false if it has neither.
func (g *Group) freezer() (f freezerFile, ok bool) {
	if d := g.lookup("freezer"); d != nil {
		return freezerFile{d.path + "/freezer.state", "THAWED", "FROZEN"}, true
	}
	if d := g.v2(); d != nil {
		return freezerFile{d.path + "/cgroup.freeze", "0", "1"}, true
	}
	return freezerFile{}, false
}

// changeState freezes or thaws the group and waits until all processes are in the state.
func (g *Group) changeState(ctx context.Context, want State) error {
	f, ok := g.freezer()
	if !ok {
		return errNoFreezer
	}
	value := f.thawed
	if want == Frozen {
		value = f.frozen
	}
	wait := 20 * time.Microsecond
	for try := 0; ; try++ {
		// The v1 freezer can get stuck on a process that forked at the same time;
		// writing again makes it check again.
		if try%16 == 0 {
			if err := cgroupfs.WriteText(f.path, value); err != nil {
				return err
			}
		}
		if state, err := g.State(); err != nil || state == want {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", f.path, context.Cause(ctx))
		case <-time.After(wait):
		}
		wait = min(2*wait, 2*time.Millisecond)
	}
}

// IsPaused reports whether freezing the group was requested; [Group.State] reports
// whether every process has stopped already. It reads one file.
func (g *Group) IsPaused() (bool, error) {
	f, ok := g.freezer()
	if !ok {
		return false, nil
	}
	s, err := cgroupfs.ReadText(f.path)
	if err != nil && cgroupfs.IsGone(err) {
		return false, nil
	}
	return err == nil && s != f.thawed, err
}

// State returns the state of the freezer. A group without a freezer is Thawed.
func (g *Group) State() (State, error) {
	if d := g.lookup("freezer"); d != nil {
		return stateV1(d.path)
	}
	if d := g.v2(); d != nil {
		return stateV2(d.path)
	}
	for i := range g.directories {
		if _, err := os.Stat(g.directories[i].path); err != nil && cgroupfs.IsGone(err) {
			return Deleted, nil
		}
	}
	return Thawed, nil
}

func stateV1(dir string) (State, error) {
	s, err := cgroupfs.ReadText(dir + "/freezer.state")
	switch {
	case err != nil && cgroupfs.IsGone(err):
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
	return 0, fmt.Errorf("%s/freezer.state contains %q, which is not a state", dir, s)
}

// stateV2 compares what cgroup.freeze requests with what cgroup.events reports.
func stateV2(dir string) (State, error) {
	requested, err := cgroupfs.ReadText(dir + "/cgroup.freeze")
	events := ""
	if err == nil {
		events, err = cgroupfs.ReadText(dir + "/cgroup.events")
	}
	if cgroupfs.IsGone(err) {
		return Deleted, nil
	}
	if err != nil {
		return 0, err
	}
	frozen := strings.Contains("\n"+events+"\n", "\nfrozen 1\n")
	switch {
	case requested == "0" && !frozen:
		return Thawed, nil
	case requested == "1" && frozen:
		return Frozen, nil
	}
	return Freezing, nil
}

// ThawTree thaws the group and the cgroups below it in the freezer hierarchy of version
// 1, where a frozen process cannot even die. A container that may write to its cgroups can
// freeze one that it created below its own, and the state of the outer one does not show
// that. In version 2 a frozen process can be killed, so nothing is done.
func (g *Group) ThawTree() error {
	d := g.lookup("freezer")
	if d == nil {
		return nil
	}
	err := walk(d.path, func(fd int, path string) error {
		err := writeAt(fd, "freezer.state", "THAWED")
		if err != nil && !cgroupfs.IsGone(err) {
			return fmt.Errorf("thaw %s: %w", path, err)
		}
		return nil
	})
	if cgroupfs.IsGone(err) {
		return nil
	}
	return err
}

// writeAt writes a file of an open cgroup.
func writeAt(dir int, file, value string) error {
	fd, err := unix.Openat(dir, file, unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	return errors.Join(cgroupfs.WriteOpen(fd, value), unix.Close(fd))
}
