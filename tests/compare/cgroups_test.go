// The cgroup hierarchies of this machine: where they are mounted, the suite's own cgroup in each, what is left in them.
package compare

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// cgroupMounts returns the mount point of every cgroup hierarchy under /sys/fs/cgroup, keyed as in /proc/PID/cgroup:
// "cpu,cpuacct", "name=systemd", and "" for version 2.
func cgroupMounts() (map[string]string, error) {
	mounts := map[string]string{}
	for _, m := range parseMountinfo(readOr("/proc/self/mountinfo")) {
		if !strings.HasPrefix(m.point, "/sys/fs/cgroup") || m.root != "/" {
			continue
		}
		switch m.fstype {
		case "cgroup2":
			mounts[""] = m.point
		case "cgroup":
			var controllers []string
			for _, option := range strings.Split(m.super, ",") {
				switch option {
				case "rw", "ro", "none", "xattr", "clone_children", "noprefix":
				default:
					if !strings.Contains(option, "=") || strings.HasPrefix(option, "name=") {
						controllers = append(controllers, option)
					}
				}
			}
			mounts[strings.Join(controllers, ",")] = m.point
		}
	}
	if len(mounts) == 0 {
		return nil, errors.New("no cgroup hierarchy is mounted below /sys/fs/cgroup")
	}
	return mounts, nil
}

// makeCgroups makes one cgroup in every hierarchy; a cpuset is unusable until it has CPUs and memory nodes.
func makeCgroups(mounts map[string]string, name string) error {
	for _, mount := range mounts {
		dir := filepath.Join(mount, name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			value := readOr(filepath.Join(mount, file))
			if _, err := os.Stat(filepath.Join(dir, file)); err != nil || value == "" {
				continue
			}
			if err := os.WriteFile(filepath.Join(dir, file), []byte(value), 0); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeCgroups removes a cgroup and those below it, waiting a moment for the kernel to let go of dead processes.
func removeCgroups(dir string) error {
	var dirs []string
	filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, path)
		}
		return nil
	})
	var err error
	for i := len(dirs) - 1; i >= 0; i-- {
		for range 50 {
			if err = os.Remove(dirs[i]); !errors.Is(err, unix.EBUSY) {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		if err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	return nil
}

// taggedCgroups lists the cgroups whose path contains the suite's tag and also the given text.
func taggedCgroups(also string) (found []string) {
	mounts, err := cgroupMounts()
	if err != nil {
		return []string{err.Error()}
	}
	for name, mount := range mounts {
		filepath.WalkDir(mount, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.IsDir() {
				return nil
			}
			if strings.Contains(path, box.tag) && strings.Contains(path, also) {
				found = append(found, "cgroup "+name+": "+strings.TrimPrefix(path, mount))
			}
			return nil
		})
	}
	return found
}

// removeTagged removes the suite's cgroups whose path contains a text.
func removeTagged(also string) {
	mounts, _ := cgroupMounts()
	for _, found := range taggedCgroups(also) {
		name, path, _ := strings.Cut(strings.TrimPrefix(found, "cgroup "), ": ")
		removeCgroups(filepath.Join(mounts[name], path))
	}
}
