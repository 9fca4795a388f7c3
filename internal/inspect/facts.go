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

	// Propagation is the propagation type of each mount, by its line in Mounts
	// (mount_namespaces(7), "Shared subtrees").
	Propagation map[string]string
}

// NamespaceKinds are the names in /proc/PID/ns.
var NamespaceKinds = []string{"cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"}

// StatusFields are the fields of /proc/PID/status that setting up a container changes.
var StatusFields = []string{"Name", "Umask", "NSpid", "Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd",
	"CapAmb", "NoNewPrivs", "Seccomp", "Seccomp_filters"}

// ReadFacts reads the facts of a process.
func ReadFacts(pid int) Facts {
	proc := "/proc/" + strconv.Itoa(pid)
	f := Facts{Namespaces: map[string]string{}, Status: map[string]string{}}
	for _, kind := range NamespaceKinds {
		if link, err := os.Readlink(filepath.Join(proc, "ns", kind)); err == nil {
			f.Namespaces[kind] = link
		}
	}
	f.Mounts, f.Propagation = readMounts(proc)
	f.Status = ReadStatus(proc)
	if text, err := os.ReadFile(proc + "/cgroup"); err == nil {
		f.Cgroup = strings.TrimSpace(string(text))
	}
	return f
}

// ReadStatus reads the fields of StatusFields from a directory /proc/PID.
func ReadStatus(proc string) map[string]string {
	text, _ := os.ReadFile(proc + "/status")
	return parseStatus(string(text))
}

func parseStatus(text string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(line, ":")
		for _, want := range StatusFields {
			if name == want {
				out[name] = strings.Join(strings.Fields(value), " ")
			}
		}
	}
	return out
}

// readMounts reads the mount table from a directory /proc/PID: one line per mount, and
// the propagation type for each line.
func readMounts(proc string) (lines []string, propagation map[string]string) {
	f, err := os.Open(proc + "/mountinfo")
	if err != nil {
		return nil, nil
	}
	defer f.Close()
	table, _ := mountinfo.GetMountsFromReader(f, nil)
	propagation = map[string]string{}
	for _, m := range table {
		line := fmt.Sprintf("%s: %s (%s) %s", m.Mountpoint, m.FSType, m.Source, m.Options)
		lines = append(lines, line)
		propagation[line] = propagationType(m.Optional)
	}
	return lines, propagation
}

// propagationChanges counts the mounts whose propagation type has changed. A mount that
// was added or removed is not a change of another one's type.
func propagationChanges(before, after map[string]string) (out []string) {
	count := map[string]int{}
	for mount, is := range after {
		if was, existed := before[mount]; existed && was != is {
			count[was+" → "+is]++
		}
	}
	for change, n := range count {
		mounts := "1 mount"
		if n > 1 {
			mounts = strconv.Itoa(n) + " mounts"
		}
		out = append(out, fmt.Sprintf("propagation of %s: %s", mounts, change))
	}
	sort.Strings(out)
	return out
}

// propagationType interprets the optional fields of a line of mountinfo
// (proc_pid_mountinfo(5)).
func propagationType(optional string) string {
	shared, slave := strings.Contains(optional, "shared:"), strings.Contains(optional, "master:")
	switch {
	case shared && slave:
		return "shared and slave"
	case shared:
		return "shared"
	case slave:
		return "slave"
	case strings.Contains(optional, "unbindable"):
		return "unbindable"
	}
	return "private"
}

// ChangeKind is the kind of fact that a Change is about.
type ChangeKind uint8

const (
	NamespaceChange ChangeKind = iota
	MountChange                // a mount, or the propagation of mounts
	StatusChange
	CgroupChange
)

// A Change is one difference between the facts of two moments.
type Change struct {
	Kind ChangeKind
	Text string // one line
}

// Changes returns the differences from before.
func (f Facts) Changes(before Facts) (out []Change) {
	add := func(kind ChangeKind, format string, args ...any) {
		out = append(out, Change{kind, fmt.Sprintf(format, args...)})
	}
	for _, kind := range NamespaceKinds {
		if was, is := before.Namespaces[kind], f.Namespaces[kind]; was != is {
			add(NamespaceChange, "namespace %s: %s → %s", kind, cmp.Or(was, "none"), cmp.Or(is, "none"))
		}
	}
	for _, change := range propagationChanges(before.Propagation, f.Propagation) {
		add(MountChange, "%s", change)
	}
	removed, added := compareMultisets(before.Mounts, f.Mounts)
	for _, m := range removed {
		add(MountChange, "mount removed: %s", m)
	}
	for _, m := range added {
		add(MountChange, "mount added: %s", m)
	}
	for _, name := range StatusFields {
		if was, is := before.Status[name], f.Status[name]; was != is {
			add(StatusChange, "%s: %s → %s", name, cmp.Or(was, "none"), cmp.Or(is, "none"))
		}
	}
	was := parseCgroups(before.Cgroup)
	for line := range strings.Lines(f.Cgroup) {
		name, path := parseCgroupLine(line)
		if was[name] != path {
			add(CgroupChange, "cgroup %s: %s → %s", name, cmp.Or(was[name], "none"), path)
		}
	}
	return out
}

// parseCgroupLine parses a line of /proc/PID/cgroup (cgroups(7)); the v2 tree's name is
// "v2".
func parseCgroupLine(line string) (controllers, path string) {
	parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
	if len(parts) < 3 {
		return "", ""
	}
	return cmp.Or(parts[1], "v2"), parts[2]
}

// parseCgroups returns the paths of /proc/PID/cgroup by controllers.
func parseCgroups(text string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(text) {
		name, path := parseCgroupLine(line)
		out[name] = path
	}
	return out
}

// compareMultisets returns the elements that only one of two multisets has.
func compareMultisets(before, after []string) (removed, added []string) {
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
