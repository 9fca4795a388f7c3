package inspect

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/container/control"
	"github.com/minirun/minirun/internal/language"
	"github.com/minirun/minirun/internal/termtext"
)

// This file shows a container from both sides: as the host sees it, and as it sees
// itself.

// A Pair is one fact: as the host sees it, and as the container does.
type Pair struct {
	Name      string `json:"name"`
	Host      string `json:"host"`
	Container string `json:"container"`
	Note      string `json:"note,omitempty"`
}

// A View is a container at one moment.
type View struct {
	ID           string   `json:"id"`
	Status       string   `json:"status"`
	Bundle       string   `json:"bundle"`
	Process      []Pair   `json:"process"`
	Namespaces   []Pair   `json:"namespaces"`
	Limits       []Limit  `json:"limits"`
	Cgroups      []string `json:"cgroups"`
	Capabilities []Pair   `json:"capabilities"`
	Descriptors  []string `json:"descriptors"`
	Layers       []string `json:"layers"` // topmost first
	Mounts       []string `json:"mounts"`
}

// A Limit is what the cgroup allows, and what is used.
type Limit struct {
	Name string `json:"name"`
	Max  string `json:"max"`
	Used string `json:"used"`
}

// Inspect examines a container. Of one that has stopped only the record is left.
func Inspect(root, id string) (*View, error) {
	state, err := control.State(root, id)
	if err != nil {
		return nil, err
	}
	v := &View{ID: state.ID, Status: string(state.Status), Bundle: state.Bundle}
	if stack, err := FindStack(root, id); err == nil {
		all := stack.directories()
		for i := len(all) - 1; i >= 0; i-- {
			role := "read-only"
			if all[i] == stack.Upper {
				role = "receives writes"
			} else if len(all) == 1 {
				role = "no overlay"
			}
			v.Layers = append(v.Layers, all[i]+" ("+role+")")
		}
	}
	if state.Pid == 0 {
		return v, nil
	}
	proc := "/proc/" + strconv.Itoa(state.Pid)
	f := ReadFacts(state.Pid)
	v.addProcess(proc, state, f)
	v.addNamespaces(root, id, f)
	v.Cgroups = strings.Split(f.Cgroup, "\n")
	v.addLimits(root, id)
	for _, name := range []string{"CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb"} {
		v.Capabilities = append(v.Capabilities, Pair{Name: name, Host: f.Status[name],
			Container: Capabilities(f.Status[name])})
	}
	v.Descriptors = readDescriptors(proc)
	v.Mounts = f.Mounts
	return v, nil
}

func (v *View) addProcess(proc string, state *control.Report, f Facts) {
	pids := strings.Fields(f.Status["NSpid"])
	inside := "?"
	if len(pids) > 0 {
		inside = pids[len(pids)-1]
	}
	root, _ := os.Readlink(proc + "/root")
	exe, _ := os.Readlink(proc + "/exe")
	uid, gid := firstWord(f.Status["Uid"]), firstWord(f.Status["Gid"])
	v.Process = []Pair{
		{Name: "pid", Host: strconv.Itoa(state.Pid), Container: inside},
		{Name: "program", Host: proc + "/exe", Container: exe},
		{Name: "root", Host: state.Rootfs, Container: root},
		{Name: "uid", Host: uid, Container: readMappedID(proc+"/uid_map", uid)},
		{Name: "gid", Host: gid, Container: readMappedID(proc+"/gid_map", gid)},
		{Name: "seccomp", Host: f.Status["Seccomp"], Container: map[string]string{"0": "no filter", "1": "strict",
			"2": "filtered"}[f.Status["Seccomp"]], Note: cmp.Or(f.Status["Seccomp_filters"], "0") + " filters"},
		{Name: "no_new_privs", Host: f.Status["NoNewPrivs"],
			Container: map[string]string{"0": "execve may give privileges",
				"1": "execve gives none"}[f.Status["NoNewPrivs"]]},
	}
}

func firstWord(text string) string {
	word, _, _ := strings.Cut(text, " ")
	return word
}

// readMappedID translates an ID of the host with the map in a file.
func readMappedID(file, id string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return "?"
	}
	return mapID(string(text), id)
}

// mapID translates an ID of the host to the one inside a user namespace with these
// lines of uid_map or gid_map (user_namespaces(7)).
func mapID(idMap, id string) string {
	n, err := strconv.ParseUint(id, 10, 32)
	if err != nil {
		return "?"
	}
	for line := range strings.Lines(idMap) {
		var inside, outside, size uint64
		if _, err := fmt.Sscan(line, &inside, &outside, &size); err == nil && n >= outside && n-outside < size {
			return strconv.FormatUint(inside+n-outside, 10)
		}
	}
	return "not mapped"
}

// addNamespaces finds out with which containers each namespace is shared.
func (v *View) addNamespaces(root, id string, f Facts) {
	own := ReadFacts(os.Getpid()).Namespaces
	others := map[string][]string{}
	list, _ := control.List(root, func(any) {})
	for _, c := range list {
		if c.ID == id || c.Status == string(specs.StateStopped) {
			continue
		}
		for _, link := range ReadFacts(c.Pid).Namespaces {
			others[link] = append(others[link], c.ID)
		}
	}
	for _, kind := range NamespaceKinds {
		link := f.Namespaces[kind]
		note := "its own"
		if link == own[kind] {
			note = "the host's"
		} else if with := others[link]; len(with) > 0 {
			note = "shared with " + strings.Join(with, ", ")
		}
		v.Namespaces = append(v.Namespaces, Pair{Name: kind, Host: cmp.Or(own[kind], "?"),
			Container: cmp.Or(link, "?"), Note: note})
	}
}

func (v *View) addLimits(root, id string) {
	event, err := control.Sample(root, id)
	if err != nil {
		return
	}
	s := event.Data
	bytes := func(n uint64) string {
		if n == 0 || n >= math.MaxInt64-1<<16 {
			return "no limit"
		}
		return sizeText(n)
	}
	pids := "no limit"
	if s.Pids.Limit > 0 && s.Pids.Limit < math.MaxInt64 {
		pids = strconv.FormatUint(s.Pids.Limit, 10)
	}
	v.Limits = []Limit{
		{"memory", bytes(s.Memory.Usage.Limit), sizeText(s.Memory.Usage.Usage)},
		{"memory and swap", bytes(s.Memory.Swap.Limit), sizeText(s.Memory.Swap.Usage)},
		{"processes", pids, strconv.FormatUint(s.Pids.Current, 10)},
		{"processor time", "", fmt.Sprintf("%.3f s", float64(s.CPU.Usage.Total)/1e9)},
	}
	if s.CPU.Throttling.Periods > 0 {
		v.Limits = append(v.Limits, Limit{"processor, throttled", fmt.Sprintf("%d periods", s.CPU.Throttling.Periods),
			fmt.Sprintf("%d of them", s.CPU.Throttling.ThrottledPeriods)})
	}
}

func sizeText(n uint64) string {
	for _, u := range []struct {
		name string
		n    uint64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= u.n {
			return strings.TrimSuffix(strconv.FormatFloat(float64(n)/float64(u.n), 'f', 1, 64), ".0") + " " + u.name
		}
	}
	return strconv.FormatUint(n, 10) + " B"
}

func readDescriptors(proc string) (out []string) {
	entries, _ := os.ReadDir(proc + "/fd")
	sort.Slice(entries, func(a, b int) bool {
		x, _ := strconv.Atoi(entries[a].Name())
		y, _ := strconv.Atoi(entries[b].Name())
		return x < y
	})
	for _, e := range entries {
		if target, err := os.Readlink(filepath.Join(proc, "fd", e.Name())); err == nil {
			out = append(out, e.Name()+" → "+target)
		}
	}
	return out
}

// Text writes a view as two columns.
func (v *View) Text(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	termtext.Fprintf(table, "%s\t%s\t%s\n", v.ID, v.Status, v.Bundle)
	section := func(title string, pairs []Pair) {
		if len(pairs) == 0 {
			return
		}
		termtext.Fprintf(table, "\n%s\tHOST\tCONTAINER\t\n", title)
		for _, p := range pairs {
			termtext.Fprintf(table, "%s\t%s\t%s\t%s\n", p.Name, cmp.Or(p.Host, "-"), cmp.Or(p.Container, "-"),
				language.Text(p.Note))
		}
	}
	section("PROCESS", v.Process)
	section("NAMESPACE", v.Namespaces)
	section("CAPABILITIES", v.Capabilities)
	if len(v.Limits) > 0 {
		termtext.Fprintf(table, "\nCGROUP\tLIMIT\tUSED\n")
		for _, l := range v.Limits {
			termtext.Fprintf(table, "%s\t%s\t%s\n", l.Name, cmp.Or(l.Max, "-"), l.Used)
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	var out strings.Builder
	for _, part := range []struct {
		title string
		lines []string
	}{{"CGROUPS", v.Cgroups}, {"DESCRIPTORS", v.Descriptors}, {"LAYERS", v.Layers}, {"MOUNTS", v.Mounts}} {
		if len(part.lines) > 0 {
			termtext.Fprintf(&out, "\n%s\n", part.title)
			for _, line := range part.lines {
				termtext.Fprintln(&out, " ", line)
			}
		}
	}
	_, err := io.WriteString(w, out.String())
	return err
}
