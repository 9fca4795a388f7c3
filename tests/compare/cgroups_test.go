// The cgroup hierarchies of this machine: where they are mounted, the suite's own cgroup in each, and
// what is left in them.
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

// cgroupMounts returns the mountpoint of every cgroup hierarchy under /sys/fs/cgroup, keyed as in /proc/PID/cgroup:
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

// makeCgroups creates one cgroup in every hierarchy; a cpuset is unusable until it has CPUs and
// memory nodes.
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

// removeCgroups removes a cgroup and those below it, and waits briefly for the kernel to release dead
// processes.
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

// taggedCgroups lists the cgroups whose path contains both the suite's tag and the given text.
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

// onV2 reports whether this machine has only cgroup v2.
func onV2() bool {
	_, err := os.Stat("/sys/fs/cgroup/cgroup.controllers")
	return err == nil
}

// onV1 is an expectation only for version 1.
func onV1(want string) string {
	if onV2() {
		return "*"
	}
	return want
}

// v2Files maps files of version 1 to the files of version 2 with the same meaning, whose values are
// written differently. Files that are not listed have the same name and value.
var v2Files = map[string][2]string{
	"out.cgroup.memory.memory.limit_in_bytes=67108864":                      {"out.cgroup..memory.max", "67108864"},
	"out.cgroup.memory.memory.soft_limit_in_bytes=33554432":                 {"out.cgroup..memory.low", "33554432"},
	"out.cgroup.memory.memory.memsw.limit_in_bytes=134217728":               {"out.cgroup..memory.swap.max", "67108864"},
	"out.cgroup.memory.memory.memsw.limit_in_bytes=9223372036854771712":     {"out.cgroup..memory.swap.max", "max"},
	"out.cgroup.cpu.cpu.shares=512":                                         {},
	"out.cgroup.cpu.cpu.cfs_quota_us=50000":                                 {"out.cgroup..cpu.max", "50000 200000"},
	"out.cgroup.cpu.cpu.cfs_period_us=200000":                               {},
	"out.cgroup.cpu.cpu.cfs_quota_us=40000":                                 {"out.cgroup..cpu.max", "40000 100000"},
	"out.cgroup.cpu.cpu.cfs_burst_us=20000":                                 {"out.cgroup..cpu.max.burst", "20000"},
	"out.cgroup.blkio.blkio.throttle.read_bps_device=*1048576":              {"out.cgroup..io.max", "*rbps=1048576*"},
	"out.cgroup.devices.devices.list=a *:* rwm*":                            {}, // v2 has no such list
	"out.cgroup.memory.memory.swappiness=10":                                {}, // nor these files
	"out.cgroup.memory.memory.oom_control=oom_kill 0 ; oom_kill_disable 1*": {},
	"in.cgroup.memory=/$TAG-abs/sub/$ID":                                    {"in.cgroup.", "/"},     // new cgroup namespace
	"in.ns.cgroup=host":                                                     {"in.ns.cgroup", "own"}, // created by default
}

// wanted converts a case's expectations to this machine's version of cgroups.
func wanted(on1 map[string]string) map[string]string {
	if !onV2() {
		return on1
	}
	out := map[string]string{}
	for name, want := range on1 {
		if to, ok := v2Files[name+"="+want]; ok {
			name, want = to[0], to[1]
		} else if controller, file, ok := strings.Cut(strings.TrimPrefix(name, "out.cgroup."), "."); ok && strings.HasPrefix(name, "out.cgroup.") && controller != "" {
			name = "out.cgroup.." + file
		} else if strings.HasPrefix(name, "in.cgroup.") {
			name = "in.cgroup."
		}
		if name != "" {
			out[name] = want
		}
	}
	return out
}
