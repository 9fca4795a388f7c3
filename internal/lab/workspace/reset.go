package workspace

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/cgroups/host"
	"github.com/minirun/minirun/internal/lab/course"
	"github.com/minirun/minirun/internal/lab/scene"
)

// Remove removes everything of the lab except the learner's files: processes, containers, mounts,
// cgroups, images. It needs nothing to be whole, and may be killed and called again at any time.
func (w *Workspace) Remove(ctx context.Context) error {
	if err := w.Stop(ctx); err != nil {
		return err
	}
	for _, dir := range []string{w.Dir(), w.data(), w.Root()} {
		if err := unmountBelow(dir); err != nil {
			return err
		}
	}
	if err := w.removeCgroups(); err != nil {
		return err
	}
	if err := w.removeIdleBridge(); err != nil {
		return err
	}
	if err := w.removeNetwork(ctx); err != nil {
		return err
	}
	for _, dir := range []string{w.Root(), w.data()} {
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
		_ = os.Remove(filepath.Dir(dir)) // the learner's, if nothing else is in it
		_ = os.Remove(filepath.Dir(filepath.Dir(dir)))
	}
	return nil
}

// Stop removes the lab's containers and kills its processes. Files and mounts stay.
func (w *Workspace) Stop(ctx context.Context) error {
	if err := w.removeContainers(ctx); err != nil {
		return err
	}
	return w.killMarked(ctx)
}

// removeContainers has minirun remove the lab's containers, which also ends what attends them and
// releases their ports and networks.
func (w *Workspace) removeContainers(ctx context.Context) error {
	stored, err := list(filepath.Join(w.Store(), "containers"))
	if err != nil {
		return err
	}
	created, err := list(w.Root())
	if err != nil {
		return err
	}
	created = slices.DeleteFunc(created, func(id string) bool { return strings.HasPrefix(id, ".") })
	for _, c := range []struct {
		command, ids []string
	}{{[]string{"rm", "-f"}, stored}, {[]string{"delete", "-f"}, created}} {
		for _, id := range c.ids {
			words := slices.Concat(w.Command(), c.command, []string{id})
			// A killed process may have left what is not a container. What still runs is killed below.
			_ = exec.CommandContext(ctx, words[0], words[1:]...).Run()
		}
	}
	return ctx.Err()
}

// list returns the names of the directories in a directory, none if it does not exist.
func list(dir string) (names []string, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// killPatience is how long a killed process may take to disappear.
const killPatience = 10 * time.Second

// killMarked kills all processes with the lab's mark, whatever started them.
func (w *Workspace) killMarked(ctx context.Context) error {
	token := w.Values[course.Token]
	if token == "" {
		return nil
	}
	for deadline := time.Now().Add(killPatience); ; {
		left := slices.DeleteFunc(scene.Marked(token), func(p scene.Process) bool { return p.PID == os.Getpid() })
		if len(left) == 0 {
			return nil
		}
		for _, p := range left {
			_ = unix.Kill(p.PID, unix.SIGKILL)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("process %d of the lab does not end after SIGKILL", left[0].PID)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// unmountBelow unmounts everything on and below a directory, the last mounts first.
func unmountBelow(dir string) error {
	table, err := mountinfo.GetMounts(mountinfo.PrefixFilter(dir))
	if err != nil {
		return err
	}
	for i := len(table) - 1; i >= 0; i-- {
		if err := unix.Unmount(table[i].Mountpoint, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil &&
			!errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
			return &os.PathError{Op: "unmount", Path: table[i].Mountpoint, Err: err}
		}
	}
	return nil
}

// removeCgroups removes the lab's cgroups in all hierarchies. Their processes were killed.
func (w *Workspace) removeCgroups() error {
	h, err := host.Detect()
	if err != nil {
		return nil // no cgroups are mounted
	}
	trees := slices.Clone(h.V1)
	if h.V2 != nil {
		trees = append(trees, *h.V2)
	}
	prefix := w.id() + "-" + w.Lab.Dir + "-"
	for _, t := range trees {
		parent := filepath.Join(t.Mount, t.CurrentPath(), cgroupParent)
		for _, dir := range []string{parent, filepath.Join(t.Mount, cgroupParent)} {
			names, err := list(dir)
			if err != nil {
				return err
			}
			for _, name := range names {
				if strings.HasPrefix(name, prefix) || name == "trial-"+w.Values[course.Token] {
					if err := removeCgroup(filepath.Join(dir, name)); err != nil {
						return err
					}
				}
			}
			_ = os.Remove(dir) // if no other lab has one
		}
	}
	return nil
}

// removeCgroup removes a cgroup with those below it. The kernel may need a moment after the last
// process is gone.
func removeCgroup(dir string) error {
	names, err := list(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := removeCgroup(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	for deadline := time.Now().Add(killPatience); ; time.Sleep(10 * time.Millisecond) {
		err := unix.Rmdir(dir)
		if err == nil || errors.Is(err, unix.ENOENT) {
			return nil
		}
		if !errors.Is(err, unix.EBUSY) || time.Now().After(deadline) {
			return &os.PathError{Op: "remove", Path: dir, Err: err}
		}
		killCgroup(dir)
	}
}

// killCgroup kills the processes in a cgroup: those that have not executed their program carry no mark.
func killCgroup(dir string) {
	text, _ := os.ReadFile(filepath.Join(dir, "cgroup.procs")) // if it is gone, so are they
	for word := range strings.FieldsSeq(string(text)) {
		if pid, err := strconv.Atoi(word); err == nil && pid > 0 {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
}

// Leave removes the learner's directory, except the files that the learner changed, which stay as .bak.
func (w *Workspace) Leave(ctx context.Context) error {
	if err := w.Remove(ctx); err != nil {
		return err
	}
	if _, err := os.Lstat(w.Dir()); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := w.generate(ctx); err != nil {
		return err
	}
	if err := w.saveChanges(); err != nil {
		return err
	}
	if err := w.removeStartState(); err != nil {
		return err
	}
	_ = os.Remove(w.Learner.Labs())
	return w.Remove(ctx)
}
