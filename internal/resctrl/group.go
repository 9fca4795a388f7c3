package resctrl

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/moby/sys/mountinfo"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Find returns where the resctrl file system is mounted.
func Find() (root string, err error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	defer f.Close()
	root, err = findInMountinfo(f)
	if errors.Is(err, ErrNotMounted) {
		if known, _ := os.ReadFile("/proc/filesystems"); !strings.Contains(string(known), "resctrl\n") {
			return "", fmt.Errorf("%w, and cannot be mounted: this processor or kernel does not support it", err)
		}
		return "", fmt.Errorf("%w\nhint: mount -t resctrl resctrl /sys/fs/resctrl", err)
	}
	return root, err
}

// findInMountinfo finds the mount point in a table as in proc_pid_mountinfo(5).
func findInMountinfo(table io.Reader) (root string, err error) {
	mounts, err := mountinfo.GetMountsFromReader(table, mountinfo.FSTypeFilter("resctrl"))
	switch {
	case err != nil:
		return "", fmt.Errorf("read the host's mounts: %w", err)
	case len(mounts) == 0:
		return "", ErrNotMounted
	}
	return mounts[0].Mountpoint, nil
}

// NewPlan returns the plan for linux.intelRdt of the container id, given the groups that
// exist in the resctrl file system root. The error is a [MissingError] for a closID
// without a group and without schemata.
func NewPlan(root, id string, r *specs.LinuxIntelRdt) (*Plan, error) {
	return newPlan(root, id, r, isDirectory)
}

func isDirectory(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// Apply creates the groups and writes the schemata. After an error nothing that it
// created is left.
func (p *Plan) Apply() error {
	if p.Create {
		if err := os.Mkdir(p.Control, 0o755); err != nil {
			return p.explain("create the group", err)
		}
	}
	err := p.checkMatching()
	if err == nil && p.Monitor != "" {
		err = p.makeMonitor()
	}
	if err == nil {
		if err = p.writeSchemata(); err != nil && p.Monitor != "" {
			err = errors.Join(err, os.RemoveAll(p.Monitor))
		}
	}
	if err != nil && p.Create {
		err = errors.Join(err, os.RemoveAll(p.Control))
	}
	return err
}

// checkMatching refuses a group that exists with other schemata.
func (p *Plan) checkMatching() error {
	if len(p.Matching) == 0 {
		return nil
	}
	file, err := os.ReadFile(p.schemata())
	if err != nil {
		return err
	}
	if line := findMissing(p.Matching, string(file)); line != "" {
		return fmt.Errorf("the group %s exists with different schemata: %q is not among %q\n"+
			"hint: use the group's own values, or another closID", p.Control, line, strings.Fields(string(file)))
	}
	return nil
}

func (p *Plan) writeSchemata() error {
	for _, text := range p.Writes {
		if err := p.write(p.schemata(), text+"\n"); err != nil {
			return err
		}
	}
	return nil
}

func (p *Plan) makeMonitor() error {
	if !isDirectory(filepath.Join(p.Root, "mon_groups")) {
		return errors.New("this processor or kernel does not support monitoring (resctrl has no mon_groups)")
	}
	if err := os.Mkdir(filepath.Dir(p.Monitor), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return p.explain("create the group", err)
	}
	if err := os.Mkdir(p.Monitor, 0o755); err != nil {
		return p.explain("create the monitoring group", err)
	}
	return nil
}

func (g *Group) schemata() string { return filepath.Join(g.Control, "schemata") }

// write writes to a file of the resctrl file system.
func (g *Group) write(path, text string) error {
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return g.explain(fmt.Sprintf("write %q", strings.TrimSuffix(text, "\n")), err)
	}
	return nil
}

// explain adds the kernel's explanation to an error. Without one the file says "ok".
func (g *Group) explain(action string, err error) error {
	status, _ := os.ReadFile(filepath.Join(g.Root, "info", "last_cmd_status"))
	reason := strings.TrimSpace(string(status))
	switch {
	case reason != "" && reason != "ok":
		return fmt.Errorf("%s: %w: %s", action, err, reason)
	case errors.Is(err, unix.ENOSPC):
		return fmt.Errorf("%s: %w: the processor has no more groups: see num_closids and num_rmids below %s",
			action, err, filepath.Join(g.Root, "info"))
	}
	return fmt.Errorf("%s: %w", action, err)
}

// Join moves a process into the group. Its children follow.
func (g *Group) Join(pid int) error {
	if err := g.write(filepath.Join(g.Control, "tasks"), strconv.Itoa(pid)); err != nil {
		return err
	}
	if g.Monitor == "" {
		return nil
	}
	return g.write(filepath.Join(g.Monitor, "tasks"), strconv.Itoa(pid))
}

// Remove removes the groups that were created for the container. A group that no
// longer exists is not an error.
func (g *Group) Remove() error {
	if g.Monitor != "" {
		if err := os.RemoveAll(g.Monitor); err != nil {
			return fmt.Errorf("remove the monitoring group: %w", err)
		}
	}
	if !g.Private {
		return nil
	}
	if err := os.RemoveAll(g.Control); err != nil {
		return fmt.Errorf("remove the resctrl group: %w", err)
	}
	return nil
}

// RemoveUnused removes a group with a closID that was created for a container whose
// creation then failed. One that has other processes by now stays.
func (g *Group) RemoveUnused() error {
	tasks, err := os.ReadFile(filepath.Join(g.Control, "tasks"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for tid := range strings.FieldsSeq(string(tasks)) {
		if isDirectory("/proc/" + tid) {
			return nil
		}
	}
	return os.RemoveAll(g.Control)
}

// Update writes schemas to the group's schemata, those of the caches first. It returns
// a function that restores the old ones.
func (g *Group) Update(l3Cache, memoryBandwidth string) (undo func() error, err error) {
	old, err := os.ReadFile(g.schemata())
	if err != nil {
		return nil, err
	}
	restore := func() error { return g.write(g.schemata(), string(old)) }
	if err := g.write(g.schemata(), strings.Join(nonEmpty(l3Cache, memoryBandwidth), "\n")+"\n"); err != nil {
		return nil, err
	}
	return restore, nil
}
