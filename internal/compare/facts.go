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

// readFacts collects facts, without those that differ from run to run: PIDs, mount IDs, the
// runtime's own directories.
func (r *Runtime) readFacts(pid int) map[string]string {
	proc := "/proc/" + strconv.Itoa(pid)
	facts := map[string]string{}
	f, own := inspect.ReadFacts(pid), inspect.ReadFacts(os.Getpid()).Namespaces
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
			name += secondMount
		}
		facts[name] = r.hideDirectory(what)
	}
	for _, name := range processFiles {
		if text, err := os.ReadFile(filepath.Join(proc, name)); err == nil {
			parseProcessFile(name, r.hideDirectory(string(text)), facts)
		}
	}
	for _, name := range []string{"exe", "cwd", "root"} {
		if target, err := os.Readlink(filepath.Join(proc, name)); err == nil {
			facts[name] = r.hideDirectory(target)
		}
	}
	r.readDescriptors(proc, facts)
	readDevices(proc, facts)
	readLimits(f.Cgroup, facts)
	return facts
}

// secondMount marks a mount that hides another one on the same place.
const secondMount = " (above)"

// processFiles are the files of /proc/PID that are compared.
var processFiles = [...]string{
	"cgroup", "uid_map", "gid_map", "setgroups", "oom_score_adj", "timens_offsets",
	"cmdline", "environ", "loginuid", "personality", "limits",
}

// parseProcessFile adds the facts of one of processFiles: one for each line of a
// table, otherwise one for the file.
func parseProcessFile(name, text string, facts map[string]string) {
	const limitName = 26 // width of the first column of /proc/PID/limits
	text = strings.TrimSpace(strings.ReplaceAll(text, "\x00", " "))
	for i, line := range strings.Split(text, "\n") {
		fact := name
		switch {
		case name == "limits" && i > 0 && len(line) > limitName:
			fact, line = "limit "+strings.TrimSpace(line[:limitName]), line[limitName:]
		case name == "limits" || name == "cgroup" || name == "uid_map" || name == "gid_map":
			fact = fmt.Sprintf("%s %d", name, i)
		}
		facts[fact] = strings.Join(strings.Fields(line), " ")
	}
}

// hideDirectory replaces the runtime's own directory in a text.
func (r *Runtime) hideDirectory(text string) string { return strings.ReplaceAll(text, r.dir, "DIR") }

// readDescriptors reads what each descriptor refers to.
func (r *Runtime) readDescriptors(proc string, facts map[string]string) {
	entries, _ := os.ReadDir(proc + "/fd")
	for _, e := range entries {
		target, err := os.Readlink(filepath.Join(proc, "fd", e.Name()))
		if err != nil {
			continue
		}
		kind, _, _ := strings.Cut(target, ":[")
		facts["descriptor "+e.Name()] = r.hideDirectory(kind)
	}
}

// readDevices reads the names and modes in /dev of the container.
func readDevices(proc string, facts map[string]string) {
	root, err := os.Open(proc + "/root")
	if err != nil {
		return
	}
	defer root.Close()
	// A link at /dev is resolved in the container, not on the host.
	fd, err := regularfile.OpenPathIn(int(root.Fd()), "dev", unix.O_DIRECTORY,
		unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_MAGICLINKS)
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

// readLimits reads the files of the cgroup that contain limits.
func readLimits(text string, facts map[string]string) {
	for line := range strings.Lines(text) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) < 3 {
			continue
		}
		v1 := filepath.Join("/sys/fs/cgroup", strings.TrimPrefix(parts[1], "name="), parts[2])
		v2 := filepath.Join("/sys/fs/cgroup/unified", parts[2]) // of a hybrid host; elsewhere it is v1, without a name
		for _, dir := range []string{v1, v2} {
			if !strings.Contains(dir, containerID()) {
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
const limitFiles = `memory.max memory.low memory.high memory.swap.max cpu.max cpu.weight cpuset.cpus cpuset.mems
	pids.max io.max io.weight
	memory.limit_in_bytes memory.soft_limit_in_bytes memory.memsw.limit_in_bytes memory.swappiness
	cpu.shares cpu.cfs_quota_us cpu.cfs_period_us
	blkio.weight devices.list`
