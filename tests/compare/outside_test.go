// The kernel's information about the container's first process from outside, while the process waits
// to be released.
package compare

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
)

// outside reads /proc/PID and the cgroups of the process. Values that the probe can read more exactly
// (signals, limits before Go's runtime starts) are not read again here.
func (n *normaliser) outside(fields Fields, pid int) {
	proc := fmt.Sprintf("/proc/%d/", pid)
	for _, line := range strings.Split(readOr(proc+"status"), "\n") {
		name, value, _ := strings.Cut(line, ":")
		switch name {
		case "Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Seccomp_filters", "Umask":
			fields.set("out.status."+name, strings.TrimSpace(value))
		case "NSpid":
			fields.set("out.status.pid namespaces deep", len(strings.Fields(value)))
		case "PPid":
			fields.set("out.parent", n.parent(strings.TrimSpace(value)))
		}
	}
	for _, name := range []string{"loginuid", "oom_score_adj", "coredump_filter", "uid_map", "gid_map", "setgroups", "timens_offsets", "autogroup", "personality", "attr/current", "cmdline"} {
		text, err := os.ReadFile(proc + name)
		if err != nil {
			text = []byte(err.(*os.PathError).Err.Error())
		}
		if name == "autogroup" { // "/autogroup-7 nice 0"
			_, after, _ := strings.Cut(string(text), " ")
			text = []byte(after)
		}
		fields.set("out."+name, n.text(strings.Join(strings.Fields(strings.ReplaceAll(string(text), "\x00", " ")), " ")))
	}
	for _, line := range strings.Split(readOr(proc+"limits"), "\n") {
		// Package os in the probe has raised this soft limit; in.rlimit.NOFILE has the value from
		// before.
		if len(line) > 26 && !strings.HasPrefix(line, "Limit") && !strings.HasPrefix(line, "Max open files") {
			fields.set("out.limit."+strings.TrimSpace(line[:26]), strings.Join(strings.Fields(line[26:]), " "))
		}
	}
	for _, name := range []string{"exe", "cwd", "root"} {
		link, err := os.Readlink(proc + name)
		if err != nil {
			link = err.Error()
		}
		fields.set("out."+name, n.text(link))
	}
	kinds, _ := os.ReadDir(proc + "ns")
	for _, kind := range kinds {
		link, _ := os.Readlink(proc + "ns/" + kind.Name())
		if !strings.HasSuffix(kind.Name(), "_for_children") {
			n.own[kind.Name()] = link
		}
	}
	n.cgroups(fields, "out.", proc)
}

// parent returns what the parent of the container's first process is; a runtime in the foreground
// stays its parent.
func (n *normaliser) parent(ppid string) string {
	same := func(a, b string) bool {
		x, err1 := os.Stat(a)
		y, err2 := os.Stat(b)
		return err1 == nil && err2 == nil && os.SameFile(x, y)
	}
	exe := "/proc/" + ppid + "/exe"
	switch {
	case same(exe, n.rt.path):
		return "the runtime"
	case same(exe, "/proc/self/exe"):
		return "the harness (nearest subreaper)"
	}
	return strings.TrimSpace(readOr("/proc/" + ppid + "/comm"))
}

// cgroups adds, under a prefix and for each hierarchy, the path of the process's cgroup and every
// file in it that contains a setting.
func (n *normaliser) cgroups(fields Fields, prefix, proc string) {
	mounts, err := cgroupMounts()
	if err != nil {
		fields.set(prefix+"cgroups", err)
		return
	}
	for _, line := range strings.Split(strings.TrimSpace(readOr(proc+"cgroup")), "\n") {
		parts := strings.SplitN(line, ":", 3)
		if len(parts) < 3 {
			continue
		}
		key := prefix + "cgroup." + parts[1]
		fields.set(key+".path", n.text(parts[2]))
		dir := filepath.Join(mounts[parts[1]], parts[2])
		if mounts[parts[1]] == "" || !strings.Contains(dir, box.tag) {
			continue // not a cgroup created for this container
		}
		info, err := os.Stat(dir)
		if err != nil {
			fields.set(key+".error", err)
			continue
		}
		stat := info.Sys().(*syscall.Stat_t)
		fields.set(key+".directory", fmt.Sprintf("%v %d:%d", info.Mode(), stat.Uid, stat.Gid))
		fields.set(key+".processes", len(strings.Fields(readOr(dir+"/cgroup.procs"))))
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			if e.IsDir() {
				fields.set(key+".sub-group "+n.text(e.Name()), "exists")
				continue
			}
			if volatile(e.Name()) {
				continue
			}
			text, err := os.ReadFile(filepath.Join(dir, e.Name()))
			if err != nil {
				continue // write-only files
			}
			settings := strings.Split(strings.TrimSpace(string(text)), "\n")
			sort.Strings(settings) // devices.list and the per-device files are sets: their order has no meaning
			fields.set(key+"."+e.Name(), n.text(strings.Join(strings.Fields(strings.Join(settings, " ; ")), " ")))
		}
	}
}

// volatile reports whether a cgroup file contains a counter or a list rather than a setting.
func volatile(name string) bool {
	for _, part := range []string{
		"usage", "stat", "failcnt", "tasks", "procs", "threads", "events", "pressure", "io_service", "io_queued", "io_merged", "io_wait", "io_serviced",
		"sectors", "blkio.time", "current", "peak", "slabinfo", "event_control", "numa_stat", "rstat",
	} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return strings.HasSuffix(name, ".time")
}
