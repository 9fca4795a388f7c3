package scene

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/minirun/minirun/internal/lab/words"
)

// MarkVariable is the variable in the environment of a learner's containers: TOKEN:PART, where PART is
// the name of a bundle's directory, or image. It is found in /proc/PID/environ, so that any runtime may
// have started the container.
const MarkVariable = "MINIRUN_LAB"

// Mark returns the value of MarkVariable for a part of a lab.
func Mark(token, part string) string { return token + ":" + part }

// A Process is a process as /proc shows it on the host.
type Process struct {
	PID, Parent int
	Part        string
	Status      map[string]string
}

// Proc returns the path of a file of the process below /proc.
func (p Process) Proc(name string) string { return filepath.Join("/proc", strconv.Itoa(p.PID), name) }

// Marked returns all processes with the mark of a token, in the order of their PIDs.
func Marked(token string) (all []Process) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	prefix := []byte(MarkVariable + "=" + token + ":")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		environment, err := os.ReadFile(filepath.Join("/proc", e.Name(), "environ"))
		if err != nil {
			continue
		}
		for variable := range bytes.SplitSeq(environment, []byte{0}) {
			if part, ok := bytes.CutPrefix(variable, prefix); ok {
				p := Process{PID: pid, Part: string(part)}
				p.Status = ReadStatus(p.Proc("status"))
				p.Parent, _ = strconv.Atoi(p.Status["PPid"])
				all = append(all, p)
			}
		}
	}
	slices.SortFunc(all, func(a, b Process) int { return a.PID - b.PID })
	return all
}

// ReadStatus reads proc_pid_status(5).
func ReadStatus(path string) map[string]string {
	out := map[string]string{}
	text, _ := os.ReadFile(path)
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		out[name] = strings.Join(strings.Fields(value), " ")
	}
	return out
}

// Firsts returns the processes whose parent has no mark: the first process of each container, and what
// was started in it from outside.
func Firsts(all []Process, part string) (out []Process) {
	for _, p := range all {
		isChild := slices.ContainsFunc(all, func(q Process) bool { return q.PID == p.Parent })
		if !isChild && (part == "" || p.Part == part) {
			out = append(out, p)
		}
	}
	return out
}

// IsInit reports whether a process is number 1 in a PID namespace below this one.
func (p Process) IsInit() bool {
	numbers := strings.Fields(p.Status["NSpid"])
	return len(numbers) > 1 && numbers[len(numbers)-1] == "1"
}

// Ancestors returns the numbers of a process's parent, of its parent, and so on.
func (p Process) Ancestors() (all []int) {
	for pid := p.Parent; pid > 0; {
		all = append(all, pid)
		parent, err := strconv.Atoi(ReadStatus(filepath.Join("/proc", strconv.Itoa(pid), "status"))["PPid"])
		if err != nil {
			break
		}
		pid = parent
	}
	return all
}

// Of selects a container of the learner: the one of a bundle's directory, or of an image. Without a
// name it is the only one.
type Of struct {
	Of string `yaml:"of"`
}

// Find returns the first process of the container. Processes that were started in it later do not count
// if there is one with number 1.
func (o Of) Find(s *Scene) (*Process, *Failure) {
	found := Firsts(Marked(s.Values["token"]), o.Of)
	if i := slices.IndexFunc(found, Process.IsInit); i >= 0 {
		return &found[i], nil
	}
	if len(found) > 0 {
		return &found[0], nil
	}
	what := words.New("a running container of this lab")
	if o.Of != "" {
		what = words.New("a running container of %s", o.Of)
	}
	return nil, &Failure{Expected: what,
		Found: words.New("no process with %s=%s in its environment", MarkVariable, Mark(s.Values["token"], o.Of+"…")),
		Look:  "./minirun list; ./minirun ps"}
}

// HostNamespaces has the namespaces of the host: those of the process that asks.
const HostNamespaces = "/proc/self/ns/"

// SameNamespace reports whether a process is in the host's namespace of a kind.
func SameNamespace(p *Process, kind string) bool {
	theirs, err := os.Readlink(p.Proc("ns/" + kind))
	if err != nil {
		return false
	}
	ours, err := os.Readlink(HostNamespaces + kind)
	return err == nil && theirs == ours
}

// MapID returns the ID outside that a map gives an ID inside.
func MapID(text string, inside int) (outside int, ok bool) {
	for line := range strings.Lines(text) {
		var first, to, count int
		if _, err := fmt.Sscan(line, &first, &to, &count); err == nil && inside >= first && inside-first < count {
			return to + inside - first, true
		}
	}
	return 0, false
}
