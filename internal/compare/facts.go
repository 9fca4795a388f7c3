package compare

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/inspect"
	"github.com/minirun/minirun/internal/regularfile"
)

// read collects facts, without those that differ from run to run: PIDs, mount IDs, the
// runtime's own directories.
func (r *Runtime) read(pid int) map[string]string {
	proc := "/proc/" + strconv.Itoa(pid)
	facts := map[string]string{}
	f, own := inspect.FactsOf(pid), inspect.FactsOf(os.Getpid()).Namespaces
	for _, kind := range inspect.NamespaceKinds {
		facts["namespace "+kind] = "its own"
		if f.Namespaces[kind] == own[kind] {
			facts["namespace "+kind] = "the host's"
		}
	}
	for _, name := range inspect.StatusFields {
		if name != "NSpid" && name != "Name" {
			facts["status "+name] = f.Status[name]
		}
	}
	facts["pid inside"] = f.Status["NSpid"][strings.LastIndexByte(f.Status["NSpid"], ' ')+1:]
	for _, line := range f.Mounts {
		point, what, _ := strings.Cut(line, ": ")
		name := "mount " + point
		for facts[name] != "" {
			name += " (above)"
		}
		facts[name] = r.plain(what)
	}
	for _, name := range []string{"cgroup", "uid_map", "gid_map", "setgroups", "oom_score_adj", "timens_offsets", "cmdline", "environ", "loginuid", "personality", "limits"} {
		text, err := os.ReadFile(filepath.Join(proc, name))
		if err != nil {
			continue
		}
		for i, line := range strings.Split(strings.TrimSpace(strings.ReplaceAll(string(text), "\x00", " ")), "\n") {
			fact := name
			if name == "limits" || name == "cgroup" || name == "uid_map" || name == "gid_map" {
				fact = fmt.Sprintf("%s %d", name, i)
			}
			if name == "limits" && i > 0 {
				fact, line = "limit "+strings.TrimSpace(line[:26]), line[26:]
			}
			facts[fact] = r.plain(strings.Join(strings.Fields(line), " "))
		}
	}
	for _, name := range []string{"exe", "cwd", "root"} {
		if target, err := os.Readlink(filepath.Join(proc, name)); err == nil {
			facts[name] = r.plain(target)
		}
	}
	r.descriptors(proc, facts)
	r.devices(proc, facts)
	r.settings(f.Cgroup, facts)
	return facts
}

func (r *Runtime) plain(text string) string { return strings.ReplaceAll(text, r.dir, "DIR") }

func (r *Runtime) descriptors(proc string, facts map[string]string) {
	entries, _ := os.ReadDir(proc + "/fd")
	for _, e := range entries {
		target, err := os.Readlink(filepath.Join(proc, "fd", e.Name()))
		if err != nil {
			continue
		}
		kind, _, _ := strings.Cut(target, ":[")
		facts["descriptor "+e.Name()] = r.plain(kind)
	}
}

func (r *Runtime) devices(proc string, facts map[string]string) {
	root, err := os.Open(proc + "/root")
	if err != nil {
		return
	}
	defer root.Close()
	// A link at /dev is resolved in the container, not on the host.
	fd, err := regularfile.OpenPathIn(int(root.Fd()), "dev", unix.O_DIRECTORY, unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_MAGICLINKS)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	entries, _ := os.ReadDir("/proc/self/fd/" + strconv.Itoa(fd))
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			facts["/dev/"+e.Name()] = info.Mode().String()
		}
	}
}

// settings reads the files of the cgroup that contain limits.
func (r *Runtime) settings(text string, facts map[string]string) {
	for line := range strings.Lines(text) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) < 3 {
			continue
		}
		for _, dir := range []string{filepath.Join("/sys/fs/cgroup", strings.TrimPrefix(parts[1], "name="), parts[2]), filepath.Join("/sys/fs/cgroup/unified", parts[2])} {
			if !strings.Contains(dir, id()) {
				continue // not created for this container
			}
			for _, name := range strings.Fields(limitFiles) {
				if text, err := os.ReadFile(filepath.Join(dir, name)); err == nil {
					lines := strings.Split(strings.TrimSpace(string(text)), "\n")
					slices.Sort(lines) // a set: the order has no meaning
					facts["limit "+name] = strings.Join(lines, "; ")
				}
			}
		}
	}
}

// limitFiles are the files of both versions that contain a limit.
const limitFiles = `memory.max memory.low memory.high memory.swap.max cpu.max cpu.weight cpuset.cpus cpuset.mems pids.max io.max io.weight
	memory.limit_in_bytes memory.soft_limit_in_bytes memory.memsw.limit_in_bytes memory.swappiness cpu.shares cpu.cfs_quota_us cpu.cfs_period_us
	blkio.weight devices.list`
