// Package inspect examines what exists: a process (facts.go), a container from both sides
// (inspect.go), layers (stack.go). It reads /proc, cgroups and directories, and
// changes nothing.
package inspect

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"github.com/moby/sys/mountinfo"
)

// This file reads the state of a process that is being set up from /proc
// (proc_pid_status(5), namespaces(7)).

// Facts are a process's state at one moment. What cannot be read is missing.
type Facts struct {
	Namespaces map[string]string // kind → "mnt:[4026531841]"
	Mounts     []string          // "/proc: proc (proc) rw,nosuid", in the order of the table
	Status     map[string]string // fields of /proc/PID/status
	Cgroup     string            // /proc/PID/cgroup

	// Propagation counts the mounts of each kind: "2 private, 18 slave"
	// (mount_namespaces(7), "Shared subtrees").
	Propagation string
}

// NamespaceKinds are the names in /proc/PID/ns.
var NamespaceKinds = []string{"cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"}

// StatusFields are the fields of /proc/PID/status that setting up a container changes.
var StatusFields = []string{"Name", "Umask", "NSpid", "Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Seccomp_filters"}

// FactsOf reads the facts of a process.
func FactsOf(pid int) Facts {
	proc := "/proc/" + strconv.Itoa(pid)
	f := Facts{Namespaces: map[string]string{}, Status: map[string]string{}}
	for _, kind := range NamespaceKinds {
		if link, err := os.Readlink(filepath.Join(proc, "ns", kind)); err == nil {
			f.Namespaces[kind] = link
		}
	}
	f.Mounts = MountsOf(proc)
	f.Status = StatusOf(proc)
	f.Propagation = propagationOf(proc)
	if text, err := os.ReadFile(proc + "/cgroup"); err == nil {
		f.Cgroup = strings.TrimSpace(string(text))
	}
	return f
}

// StatusOf reads the fields of StatusFields from a directory /proc/PID.
func StatusOf(proc string) map[string]string {
	out := map[string]string{}
	text, _ := os.ReadFile(proc + "/status")
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		for _, want := range StatusFields {
			if name == want {
				out[name] = strings.Join(strings.Fields(value), " ")
			}
		}
	}
	return out
}

// MountsOf reads the mount table from a directory /proc/PID, one line per mount.
func MountsOf(proc string) (out []string) {
	f, err := os.Open(proc + "/mountinfo")
	if err != nil {
		return nil
	}
	defer f.Close()
	table, _ := mountinfo.GetMountsFromReader(f, nil)
	for _, m := range table {
		out = append(out, fmt.Sprintf("%s: %s (%s) %s", m.Mountpoint, m.FSType, m.Source, m.Options))
	}
	return out
}

func propagationOf(proc string) string {
	f, err := os.Open(proc + "/mountinfo")
	if err != nil {
		return ""
	}
	defer f.Close()
	count := map[string]int{}
	table, _ := mountinfo.GetMountsFromReader(f, nil)
	for _, m := range table {
		kind := "private"
		switch shared, slave := strings.Contains(m.Optional, "shared:"), strings.Contains(m.Optional, "master:"); {
		case shared && slave:
			kind = "shared and slave"
		case shared:
			kind = "shared"
		case slave:
			kind = "slave"
		case strings.Contains(m.Optional, "unbindable"):
			kind = "unbindable"
		}
		count[kind]++
	}
	var out []string
	for kind, n := range count {
		out = append(out, fmt.Sprintf("%d %s", n, kind))
	}
	sort.Strings(out)
	return strings.Join(out, ", ")
}

// Changes describes the differences from before, one line each.
func (f Facts) Changes(before Facts) (out []string) {
	for _, kind := range NamespaceKinds {
		if was, is := before.Namespaces[kind], f.Namespaces[kind]; was != is {
			out = append(out, fmt.Sprintf("namespace %s: %s → %s", kind, cmp.Or(was, "none"), cmp.Or(is, "none")))
		}
	}
	if before.Propagation != f.Propagation {
		out = append(out, fmt.Sprintf("propagation of mounts: %s → %s", before.Propagation, f.Propagation))
	}
	removed, added := differ(before.Mounts, f.Mounts)
	for _, m := range removed {
		out = append(out, "mount removed: "+m)
	}
	for _, m := range added {
		out = append(out, "mount added: "+m)
	}
	for _, name := range StatusFields {
		if was, is := before.Status[name], f.Status[name]; was != is {
			out = append(out, fmt.Sprintf("%s: %s → %s", name, cmp.Or(was, "none"), cmp.Or(is, "none")))
		}
	}
	was := cgroupPaths(before.Cgroup)
	for line := range strings.Lines(f.Cgroup) {
		name, path := cgroupLine(line)
		if was[name] != path {
			out = append(out, fmt.Sprintf("cgroup %s: %s → %s", name, cmp.Or(was[name], "none"), path))
		}
	}
	return out
}

// cgroupLine parses a line of /proc/PID/cgroup (cgroups(7)); the v2 tree's name is
// "v2".
func cgroupLine(line string) (controllers, path string) {
	parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
	if len(parts) < 3 {
		return "", ""
	}
	return cmp.Or(parts[1], "v2"), parts[2]
}

func cgroupPaths(text string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(text) {
		name, path := cgroupLine(line)
		out[name] = path
	}
	return out
}

// differ returns the elements that only one of two multisets has.
func differ(before, after []string) (removed, added []string) {
	count := map[string]int{}
	for _, s := range before {
		count[s]++
	}
	for _, s := range after {
		if count[s] > 0 {
			count[s]--
		} else {
			added = append(added, s)
		}
	}
	for s, n := range count {
		for ; n > 0; n-- {
			removed = append(removed, s)
		}
	}
	sort.Strings(removed)
	return removed, added
}
