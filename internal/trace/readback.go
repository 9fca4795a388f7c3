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

	"github.com/minirun/minirun/internal/container/observer"
	"github.com/minirun/minirun/internal/inspect"
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
	fmt.Fprintf(e.w, "           %ssee it: cat %s%s\n", e.style.dim, v.File, off)
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
		e.reportChanges(pid, "ls -l "+proc+"/ns")
	case plan.Mount, plan.MoveMount, plan.PivotRoot, plan.Umount:
		e.reportChanges(pid, "cat "+proc+"/mountinfo", inspect.MountChange)
	case plan.Sethostname, plan.Setdomainname:
		e.note("see it: nsenter --target " + strconv.Itoa(pid) + " --uts uname -n")
	case plan.Setresuid:
		e.reportStatus(pid, "Uid")
	case plan.Setresgid:
		e.reportStatus(pid, "Gid")
	case plan.Setgroups:
		e.reportStatus(pid, "Groups")
	case plan.Capset:
		e.reportStatus(pid, "CapEff", "CapPrm", "CapInh")
	case plan.Prctl:
		e.reportStatus(pid, "NoNewPrivs")
	case plan.Prlimit:
		e.note("see it: cat " + proc + "/limits")
	}
}

// reportChanges prints the differences from the last time, of the given kinds or of
// all, and the command that shows them.
func (e *Explainer) reportChanges(pid int, command string, kinds ...inspect.ChangeKind) {
	now := inspect.ReadFacts(pid)
	changes := now.Changes(e.before)
	if len(now.Mounts) == 0 {
		changes = nil // this process has no permission to read the facts
	}
	e.before = now
	if len(kinds) > 0 {
		changes = slices.DeleteFunc(changes, func(c inspect.Change) bool { return !slices.Contains(kinds, c.Kind) })
	}
	for i, c := range changes {
		if i == 4 && !e.full {
			e.note(fmt.Sprintf("… and %d more changes", len(changes)-i))
			break
		}
		fmt.Fprintf(e.w, "           %sthe kernel reports: %s%s\n", e.style.good, c.Text, e.style.off)
	}
	if len(changes) > 0 {
		e.note("see it: " + command)
	}
}

// reportStatus reads fields of /proc/PID/status.
func (e *Explainer) reportStatus(pid int, names ...string) {
	proc := "/proc/" + strconv.Itoa(pid)
	status := inspect.ReadStatus(proc)
	e.before.Status = status
	for _, name := range names {
		value := status[name]
		if strings.HasPrefix(name, "Cap") {
			value += " " + inspect.Capabilities(value)
		}
		fmt.Fprintf(e.w, "           %s%s/status contains %s: %s%s\n", e.style.good, proc, name, cmp.Or(value, "none"),
			e.style.off)
	}
}
