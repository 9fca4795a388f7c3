package trace

// This file reads from /proc and the cgroup what the kernel stored for a step or for an
// action of minirun.

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/container/observer"
	"github.com/minirun/minirun/internal/inspect"
	"github.com/minirun/minirun/internal/language"
	"github.com/minirun/minirun/internal/plan"
)

// readBack reads the value that the kernel stored.
func (e *Explainer) readBack(v observer.Written) {
	fmt.Fprintf(e.w, "  %sminirun%s  %s\n", e.style.dim, e.style.off, writeText(v))
	text, err := os.ReadFile(v.File)
	if err != nil {
		return // some files are write-only
	}
	stored := strings.Join(strings.Fields(string(text)), " ")
	mark, off := e.style.good, e.style.off
	wrote := strings.Join(strings.Fields(v.Value), " ")
	if stored != wrote && v.Unit == 0 && !strings.Contains(stored, wrote) {
		mark = ""
	}
	fmt.Fprintf(e.w, "           %swrote %s; the file contains %s%s\n", mark, wrote, truncate(stored, 100), off)
	e.see("cat " + v.File)
}

// readable reports whether a file can be read: some are write-only.
func readable(file string) bool {
	_, err := os.ReadFile(file)
	return err == nil
}

// readBackStep reads the state that a step has changed.
func (e *Explainer) readBackStep(pid int, s *plan.Step) {
	proc := "/proc/" + strconv.Itoa(pid)
	switch s.Call {
	case plan.Unshare, plan.Setns, plan.Clone:
		e.reportChanges(pid, "ls -l "+proc+"/ns", inspect.NamespaceChange, inspect.StatusChange)
	case plan.Mount, plan.MoveMount, plan.PivotRoot, plan.Umount:
		e.reportChanges(pid, "cat "+proc+"/mountinfo", inspect.MountChange)
	case plan.Write:
		if s.Group == plan.Limits {
			e.reportChanges(pid, "cat "+proc+"/cgroup", inspect.CgroupChange)
		}
	case plan.Sethostname, plan.Setdomainname:
		e.see("nsenter --target " + strconv.Itoa(pid) + " --uts uname -n")
	case plan.Setresuid:
		e.reportStatus(pid, "Uid")
	case plan.Setresgid:
		e.reportStatus(pid, "Gid")
	case plan.Setgroups:
		e.reportStatus(pid, "Groups")
	case plan.Capset:
		e.reportStatus(pid, "CapEff", "CapPrm", "CapInh")
	case plan.Prctl:
		switch s.Args[0].Value {
		case unix.PR_SET_NO_NEW_PRIVS:
			e.reportStatus(pid, "NoNewPrivs")
		case unix.PR_CAPBSET_DROP:
			e.reportStatus(pid, "CapBnd")
		case unix.PR_CAP_AMBIENT:
			e.reportStatus(pid, "CapAmb")
		case unix.PR_SET_NAME:
			e.reportStatus(pid, "Name")
		}
	case plan.Seccomp:
		e.reportStatus(pid, "Seccomp")
	case plan.Prlimit:
		e.see("cat " + proc + "/limits")
	}
}

// reportChanges prints the differences of the given kinds from the last time, and the
// command that shows them.
func (e *Explainer) reportChanges(pid int, command string, kinds ...inspect.ChangeKind) {
	changes := e.newChanges(pid, kinds...)
	for i, c := range changes {
		if i == 4 && e.level != Full {
			e.note(fmt.Sprintf("… and %d more changes", len(changes)-i))
			break
		}
		fmt.Fprintf(e.w, "           %sthe kernel reports: %s%s\n", e.style.good, c.Text, e.style.off)
	}
	if len(changes) > 0 {
		e.see(command)
	}
}

// newChanges returns the differences of the given kinds from the last time.
func (e *Explainer) newChanges(pid int, kinds ...inspect.ChangeKind) []inspect.Change {
	now := inspect.ReadFacts(pid)
	changes := now.Changes(e.before)
	if len(now.Mounts) == 0 {
		return nil // this process has no permission to read the facts
	}
	e.before = now
	return slices.DeleteFunc(changes, func(c inspect.Change) bool { return !slices.Contains(kinds, c.Kind) })
}

// reportPart prints what has changed since the last part of the plan:
// namespaces, IDs and capabilities, and the number of mounts after pivot_root.
func (e *Explainer) reportPart() {
	mounts := len(e.before.Mounts)
	var facts, namespaces []string
	for _, c := range e.newChanges(e.pid, inspect.NamespaceChange, inspect.StatusChange) {
		name, change, _ := strings.Cut(c.Text, ": ")
		_, value, _ := strings.Cut(change, " → ")
		switch name {
		case "CapBnd", "CapEff":
			facts = append(facts, name+" "+inspect.Capabilities(value))
		case "Uid", "Gid", "NoNewPrivs", "Seccomp":
			effective, _, _ := strings.Cut(value, " ")
			facts = append(facts, name+" "+effective)
		default:
			if c.Kind == inspect.NamespaceChange {
				namespaces = append(namespaces, strings.TrimPrefix(name, "namespace "))
			}
		}
	}
	if len(namespaces) > 0 {
		facts = append([]string{"new namespaces " + strings.Join(namespaces, ", ")}, facts...)
	}
	if n := len(e.before.Mounts); n < mounts { // the host's mounts are gone
		facts = append(facts, fmt.Sprintf("%d mounts, previously %d", n, mounts))
	}
	const width = 62
	for len(facts) > 0 {
		text := facts[0]
		for facts = facts[1:]; len(facts) > 0 && len(text)+len("; ")+len(facts[0]) <= width; facts = facts[1:] {
			text += "; " + facts[0]
		}
		e.line("", e.style.good+"the kernel reports: "+truncate(text, width)+e.style.off)
	}
}

// reportStatus reads fields of /proc/PID/status, and prints those that have changed
// since they were printed.
func (e *Explainer) reportStatus(pid int, names ...string) {
	proc := "/proc/" + strconv.Itoa(pid)
	status := inspect.ReadStatus(proc)
	e.before.Status = status
	for _, name := range names {
		value := status[name]
		if was, ok := e.shown[name]; ok && was == value {
			continue
		}
		e.shown[name] = value
		if strings.HasPrefix(name, "Cap") && value != "" {
			value += " " + inspect.Capabilities(value)
		}
		text := language.Text(fmt.Sprintf("%s/status contains %s: %s", proc, name, cmp.Or(value, "none")))
		fmt.Fprintf(e.w, "           %s%s%s\n", e.style.good, text, e.style.off)
	}
}
